/** The composition root as the command line starts it; loaded by `up` only, so that other commands start fast. */
import { tellSupervisor } from './supervisor.ts';
import type { RunningPeer, StartRequest } from './commands/up.ts';

export async function startPeer(request: StartRequest): Promise<RunningPeer> {
  const [{ loadConfig }, { createPeer }] = await Promise.all([import('../config/load.ts'), import('../node.ts')]);
  const { overrides, configFile } = request;
  const peer = await createPeer(await loadConfig(process.cwd(), overrides, configFile));
  await tellSupervisor(process.env, (message) => process.stderr.write(`tilemesh: ${message}\n`));
  return peer;
}
