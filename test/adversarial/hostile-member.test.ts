/** The worst case: a peer that holds the key of the mesh. The others go on answering, and leave it out. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { numberValues, fromFloat32, type Tensor } from '../../src/core/tensor/tensor.ts';
import { createPeer, type Peer } from '../../src/node.ts';
import { flood, sendGarbage, startHostile, type Conduct, type Hostile } from './hostile-member.ts';

const SECRET = 'the secret of this test';
const MESH = 'hostile';
const HONEST = 2;
const DEADLINE_MS = 60_000;
const SHORT_DEADLINE_MS = 24_000;
const picture = (): ReadonlyMap<string, Tensor> =>
  new Map([
    [
      'image',
      fromFloat32(
        [1, 1, 28, 28],
        Float32Array.from({ length: 784 }, (_, index) => Math.abs(Math.sin(index / 9))),
      ),
    ],
  ]);

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const alive = (peer: Peer): number => peer.members().filter(({ state }) => state === 'alive').length;

describe('a hostile member', function () {
  this.timeout(240_000);
  let folder: string;
  const peers: Peer[] = [];
  let hostile: Hostile | undefined;
  let expected: readonly number[];

  const ask = (peer: Peer, parallelism: number, deadlineMs = DEADLINE_MS) =>
    peer.infer({
      model: 'lenet5',
      inputs: picture(),
      parallelism,
      deadlineMs,
      signal: AbortSignal.timeout(2 * deadlineMs),
    });

  const numbersOf = (outputs: ReadonlyMap<string, Tensor>): readonly number[] => [
    ...numberValues(outputs.values().next().value!),
  ];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-hostile-'));
    let bootstrap: readonly string[] = [];
    for (let index = 0; index < HONEST; index++) {
      const peer = await createPeer(
        await loadConfig(folder, {
          name: `honest-${index}`,
          mesh: MESH,
          data: join(folder, `honest-${index}`),
          api: { host: '127.0.0.1', port: 0 },
          listen: { addresses: ['127.0.0.1'] },
          discovery: { mdns: false, bootstrap },
          membership: { secret: SECRET },
          kernel: { threads: 1, macsPerSecond: 1_000_000_000 },
          log: { level: 'silent' },
        }),
      );
      peers.push(peer);
      bootstrap = peers.map((other) => other.members()[0]!.addresses[0]!);
    }
    await until('the honest ones know each other', () => peers.every((peer) => alive(peer) === HONEST));
    expected = numbersOf((await ask(peers[0]!, 1)).outputs);
    await ask(peers[1]!, 1);
  });

  afterEach(async () => {
    await hostile?.stop();
    hostile = undefined;
    await Promise.all(peers.splice(0).map((peer) => peer.stop()));
    await rm(folder, { recursive: true, force: true });
  });

  async function letIn(conduct: Conduct): Promise<Hostile> {
    const bootstrap = peers.map((peer) => peer.members()[0]!.addresses[0]!);
    hostile = await startHostile({ folder: join(folder, 'hostile'), mesh: MESH, secret: SECRET, bootstrap }, conduct);
    await until('it is a member', () => peers.every((peer) => alive(peer) === HONEST + 1));
    return hostile;
  }

  const checkAnswer = ({ outputs }: { readonly outputs: ReadonlyMap<string, Tensor> }): void => {
    const numbers = numbersOf(outputs);
    assert.equal(numbers.length, expected.length);
    for (const [index, value] of numbers.entries()) assert.ok(Math.abs(value - expected[index]!) <= 1e-5);
  };

  // A coordinator that does nothing holds a request for three quarters of its time, once for each entry.
  for (const [what, conduct, deadlineMs] of [
    [
      'answers no proposal, though it claims to be the fastest',
      { coordinator: 'silent', participant: 'silent' },
      DEADLINE_MS,
    ],
    ['accepts every request and does nothing', { coordinator: 'accepts', participant: 'silent' }, SHORT_DEADLINE_MS],
    ['renews its leases for ever', { coordinator: 'renews', participant: 'silent' }, SHORT_DEADLINE_MS],
    ['says for ever that it computes', { coordinator: 'silent', participant: 'computing' }, DEADLINE_MS],
    ['says that it cannot reach the others', { coordinator: 'silent', participant: 'accuses' }, DEADLINE_MS],
    ['makes itself the coordinator', { coordinator: 'silent', participant: 'usurps' }, DEADLINE_MS],
  ] as const) {
    it(`that ${what} costs some time and no answer`, async () => {
      const member = await letIn(conduct);
      for (let round = 0; round < 3; round++) checkAnswer(await ask(peers[round % HONEST]!, HONEST + 1, deadlineMs));
      assert.ok(member.heard.size > 0, 'it was asked');
      // Whoever it has let down has learnt from it.
      const last = await ask(peers[0]!, HONEST + 1);
      checkAnswer(last);
      assert.notEqual(last.report.coordinator, member.peer);
    });
  }

  it('that announces models it does not hold is asked for them in vain, and others answer for theirs', async () => {
    await letIn({ coordinator: 'silent', participant: 'silent' });
    const signal = AbortSignal.timeout(DEADLINE_MS);
    await assert.rejects(
      peers[0]!.infer({ model: 'model-7', inputs: picture(), parallelism: 1, deadlineMs: DEADLINE_MS, signal }),
    );
    checkAnswer(await ask(peers[0]!, 1));
    assert.ok(!(await peers[0]!.models()).some(({ name }) => name === 'model-7'));
  });

  it('that sends garbage is banned, and the others go on', async () => {
    const member = await letIn({ coordinator: 'silent', participant: 'silent' });
    const enough = new AbortController();
    const sending = peers.map((peer) => sendGarbage(member, peer.self.id, enough.signal));
    await until('banned by all', () =>
      peers.every((peer) => peer.members().find(({ id }) => id === member.peer)?.state === 'banned'),
    );
    enough.abort();
    await Promise.all(sending);
    checkAnswer(await ask(peers[0]!, HONEST));
  });

  it('that floods with proposals and tensors does not keep the others from answering', async () => {
    const member = await letIn({ coordinator: 'silent', participant: 'silent' });
    const before = process.memoryUsage.rss();
    const enough = new AbortController();
    const flooding = flood(member, peers[0]!.self.id, enough.signal);
    for (let round = 0; round < 3; round++) checkAnswer(await ask(peers[round % HONEST]!, HONEST));
    enough.abort();
    assert.ok((await flooding) > 0, 'it did flood');
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 512 * 2 ** 20, `memory grew by ${grown} bytes, of victim and attacker together`);
  });
});
