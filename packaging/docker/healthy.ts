/** Ends with 0 when the peer of this container takes requests. Cheaper than the whole command line, which boards would feel. */
const { TILEMESH_API: named } = process.env;
const address = named === undefined || named === '' ? '127.0.0.1:8470' : named;
try {
  const { ok, status } = await fetch(`http://${address}/v2/health/ready`, { signal: AbortSignal.timeout(5000) });
  if (!ok) throw new Error(`it is not ready (${status})`);
} catch (error) {
  console.error(`no healthy peer at ${address}: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
export {};
