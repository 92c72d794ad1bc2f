/**
 * The published descriptions of the Open Inference Protocol. No package of npm or Debian carries them, so tests that need one
 * take it from a checkout of https://github.com/open-inference/open-inference-protocol where `TILEMESH_OPEN_INFERENCE` says,
 * or from there, once, in the state that is named here; and are skipped where neither can be had.
 */
import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';

const VARIABLE = 'TILEMESH_OPEN_INFERENCE';
const FOLDER = 'specification/protocol';
const CACHE = path.resolve(import.meta.dirname, '../../node_modules/.cache/tilemesh-open-inference');
const COMMIT = 'dca50b7ec50db5013d04e168f6deb84134eb03df';
const SOURCE = `https://raw.githubusercontent.com/open-inference/open-inference-protocol/${COMMIT}/${FOLDER}`;
const PATIENCE_MS = 10_000;

/** SHA-256 of each in that commit. */
const DIGESTS = {
  'open_inference_grpc.proto': '9ad5a7422ae2eb9c72396381d7a68d47921a731a994b4539dff84aedf6e90c83',
  'open_inference_rest.yaml': 'cdd83c8be562f286af57b1459f0203ba5d64189ea143c7924691b7929ca01313',
} as const;

export type Published = { readonly file: string } | { readonly missing: string };

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** @param name of a file in `specification/protocol` */
export async function publishedDescription(name: keyof typeof DIGESTS): Promise<Published> {
  const checkout = process.env[VARIABLE];
  if (checkout !== undefined) {
    const file = path.join(checkout, FOLDER, name);
    return (await isThere(file))
      ? { file }
      : { missing: `${VARIABLE} names no checkout of the protocol: there is no ${file}` };
  }
  const file = path.join(CACHE, name);
  const kept = await readFile(file).catch(() => undefined);
  if (kept !== undefined && sha256(kept) === DIGESTS[name]) return { file };
  try {
    const response = await fetch(`${SOURCE}/${name}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (sha256(bytes) !== DIGESTS[name]) throw new Error('it is not what it was');
    await mkdir(CACHE, { recursive: true });
    await writeFile(`${file}.draft`, bytes);
    await rename(`${file}.draft`, file);
    return { file };
  } catch (error) {
    const { message } = error as Error;
    return { missing: `${name} cannot be fetched (${message}): name a checkout of the protocol in ${VARIABLE}` };
  }
}
