/** Real peers, one of which computes wrongly: verified answers are right, and it is banned where it was seen to lie. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { openKernel } from '../../kernels/open.ts';
import { loadConfig } from '../../src/config/load.ts';
import { difference, isClose } from '../../src/core/compare.ts';
import { fromFloat32, type Tensor } from '../../src/core/tensor/tensor.ts';
import { HONEST_TOLERANCE } from '../../src/core/verdict.ts';
import { createPeer, type Peer } from '../../src/node.ts';
import { spoilingKernel } from '../support/lying-kernel.ts';

const DEADLINE_MS = 60_000;
const HONEST = ['onnxruntime', 'wasm', 'onnxruntime'] as const;

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error(`not in time: ${what}`);
    await setTimeout(50);
  }
}

const alive = (peer: Peer): number => peer.members().filter(({ state }) => state === 'alive').length;
const picture = (seed: number): ReadonlyMap<string, Tensor> => {
  const values = Float32Array.from({ length: 784 }, (_, index) => Math.abs(Math.sin(index / (3 + seed))));
  return new Map([['image', fromFloat32([1, 1, 28, 28], values)]]);
};

describe('a member that lies', function () {
  this.timeout(240_000);
  let folder: string;
  const peers: Peer[] = [];

  async function add(name: string, kernel: string, macsPerSecond: number, open?: typeof openKernel): Promise<Peer> {
    const config = await loadConfig(folder, {
      name,
      mesh: 'lies',
      data: join(folder, name),
      api: { host: '127.0.0.1', port: 0 },
      listen: { addresses: ['127.0.0.1'] },
      discovery: { mdns: false, bootstrap: peers.map((other) => other.members()[0]!.addresses[0]!) },
      membership: { secret: 'the secret of this test' },
      kernel: { name: kernel, threads: 1, macsPerSecond },
      verify: { share: 0 },
      log: { level: 'silent' },
    });
    const peer = await createPeer(config, {}, open);
    peers.push(peer);
    return peer;
  }

  const ask = (peer: Peer, seed: number, isVerified: boolean) =>
    peer.infer({
      model: 'lenet5',
      inputs: picture(seed),
      parallelism: seed % 2 === 0 ? 1 : peers.length,
      deadlineMs: DEADLINE_MS,
      isVerified,
      signal: AbortSignal.timeout(2 * DEADLINE_MS),
    });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-lies-'));
  });

  after(async () => {
    await Promise.all(peers.map((peer) => peer.stop()));
    await rm(folder, { recursive: true, force: true });
  });

  it('changes no verified answer, is banned by those who saw it, with the reason, and nobody else is', async () => {
    for (const [index, kernel] of HONEST.entries()) await add(`honest-${index}`, kernel, 1e9);
    await until('the honest ones know each other', () => peers.every((peer) => alive(peer) === HONEST.length));
    const seeds = [...Array(12).keys()];
    const truth: ReadonlyMap<string, Tensor>[] = [];
    for (const seed of seeds) truth.push((await ask(peers[0]!, seed, false)).outputs);

    // It says that it is fast, so that much of the work goes to it.
    const liar = await add('liar', 'onnxruntime', 8e9, async (...parameters) => {
      const kernel = await openKernel(...parameters);
      const spoiling = spoilingKernel(kernel, (values) => values.setFloat32(0, 1e6, true));
      return { ...spoiling, close: () => kernel.close() };
    });
    await until('it is a member', () => peers.every((peer) => alive(peer) === peers.length));
    const honest = peers.filter((peer) => peer !== liar);
    for (const seed of seeds) {
      const { outputs, report } = await ask(honest[seed % honest.length]!, seed, true);
      for (const [name, value] of outputs) {
        assert.ok(isClose(difference(value, truth[seed]!.get(name)!), HONEST_TOLERANCE), `request ${seed}`);
      }
      assert.ok((report.verification?.confirmedBy.length ?? 0) > 0);
      assert.ok(!report.verification?.confirmedBy.includes(liar.self.id));
    }
    let saw = 0;
    for (const peer of honest) {
      for (const member of peer.members()) {
        if (member.id === liar.self.id && member.state === 'banned') saw += 1;
        else if (member.id !== liar.self.id) assert.equal(member.state, 'alive', `${member.name} at ${peer.self.name}`);
      }
      const events = peer.insight.events.after(0).filter(({ value }) => value.kind === 'member-down');
      for (const { value } of events)
        assert.match(value.text ?? '', /banned: computed request .* otherwise than all others/);
    }
    assert.ok(saw > 0, 'nobody banned it');
  });
});
