/** The composition root as the command line starts it; loaded by `up` only, so that other commands start fast. */
import { outliveExhaustion } from '../observability/exhaustion.ts';
import { rememberOwnPeer } from './own-peers.ts';
import { tellSupervisor } from './supervisor.ts';
import type { RunningPeer, StartRequest } from './commands/up.ts';

export async function startPeer(request: StartRequest): Promise<RunningPeer> {
  const [{ loadConfig }, { createPeer }] = await Promise.all([import('../config/load.ts'), import('../node.ts')]);
  const { overrides, configFile } = request;
  const say = (message: string): void => void process.stderr.write(`tilemesh: ${message}\n`);
  // The process is the peer, and ends with it.
  process.on(
    'uncaughtException',
    outliveExhaustion(say, () => performance.now()),
  );
  const config = await loadConfig(process.cwd(), overrides, configFile);
  const peer = await createPeer(config);
  await rememberOwnPeer(new URL(peer.apiUrl), config.data);
  await tellSupervisor(process.env, say);
  return peer;
}
