/** A hostile member as a process of its own. Prints a line when it has met the others, and one for what it has done. */
import { setTimeout as pause } from 'node:timers/promises';
import { openKernel } from '../../kernels/open.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createPeer } from '../../src/node.ts';
import { spoilingKernel } from '../support/lying-kernel.ts';
import { flood, sendGarbage, startHostile, type Conduct } from './hostile-member.ts';

export type Act = 'nothing' | 'floods' | 'garbage' | 'lies';

export interface Orders {
  readonly conduct: Conduct;
  readonly act: Act;
  readonly folder: string;
  readonly mesh: string;
  readonly secret: string;
  readonly address: string;
  readonly bootstrap: readonly string[];
  /** Members there are beside it. */
  readonly others: number;
}

const orders = JSON.parse(process.argv[2]!) as Orders;
const { act, conduct, folder, mesh, secret, address, bootstrap, others } = orders;

async function until(isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error('it met nobody');
    await pause(50);
  }
}

/** An ordinary peer, but for what it computes. */
async function lie(): Promise<void> {
  const config = await loadConfig(folder, {
    name: 'hostile',
    mesh,
    data: folder,
    listen: { addresses: [address] },
    discovery: { bootstrap },
    membership: { secret },
    kernel: { name: 'onnxruntime', threads: 1, macsPerSecond: 8e9 },
    verify: { share: 0 },
  });
  const peer = await createPeer(config, {}, async (...parameters) => {
    const kernel = await openKernel(...parameters);
    const spoiling = spoilingKernel(kernel, (values) => values.setFloat32(0, 1e6, true));
    return { ...spoiling, close: () => kernel.close() };
  });
  await until(() => peer.members().filter(({ state }) => state === 'alive').length === others + 1);
  console.log(JSON.stringify({ event: 'member', peer: peer.self.id }));
}

async function misbehave(): Promise<void> {
  const member = await startHostile({ folder, mesh, secret, bootstrap, addresses: [address] }, conduct);
  await until(() => member.host.getPeers().length === others);
  console.log(JSON.stringify({ event: 'member', peer: member.peer }));
  const never = new AbortController().signal;
  const victims = member.host.getPeers().map((peer) => peer.toString() as typeof member.peer);
  if (act === 'garbage') await Promise.all(victims.map((peer) => sendGarbage(member, peer, never)));
  if (act === 'floods') await Promise.all(victims.map((peer) => flood(member, peer, never)));
}

await (act === 'lies' ? lie() : misbehave());
