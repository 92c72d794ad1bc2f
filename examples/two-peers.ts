/** Two peers find each other and share one request. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPeer, fromFloat32, infer, type Peer, type UserConfig } from 'tilemesh';

const data = await mkdtemp(join(tmpdir(), 'tilemesh-example-'));
const start = (name: string, discovery: UserConfig['discovery'] = {}): Promise<Peer> =>
  createPeer({
    name,
    mesh: 'two-peers',
    // Who knows it is a member.
    membership: { secret: 'of the kitchen and the garage' },
    data: join(data, name),
    api: { port: 0 },
    discovery: { mdns: false, ...discovery },
    listen: { addresses: ['127.0.0.1'] },
    log: { level: 'warn' },
  });

const kitchen = await start('kitchen');
const address = kitchen.members()[0]!.addresses[0]!;
const garage = await start('garage', { bootstrap: [address] });
try {
  const deadline = AbortSignal.timeout(60_000);
  while (kitchen.members().filter(({ state }) => state === 'alive').length < 2)
    await sleep(50, undefined, { signal: deadline });

  const picture = fromFloat32([1, 3, 224, 224], new Float32Array(3 * 224 * 224));
  const { report } = await infer(kitchen, 'squeezenet', picture, { parallelism: 2 });
  const parts = report.blocks.flatMap((block) => block.parts);
  for (const [id, name] of Object.entries(report.names)) {
    console.log(`${name} computed ${parts.filter(({ peer }) => peer === id).length} of ${parts.length} tiles`);
  }
} finally {
  await Promise.all([kitchen.stop(), garage.stop()]);
  await rm(data, { recursive: true });
}
