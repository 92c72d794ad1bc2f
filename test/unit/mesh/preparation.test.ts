/** Plans when others come and go: the last one at once, patched where it must be, and a new one meanwhile. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { vggGraph } from '../../../models/zoo/vgg/network.ts';
import { GIGABIT, type PeerProfile } from '../../../src/core/cost/cost-model.ts';
import { bindGraph } from '../../../src/core/graph/bind.ts';
import { asPeerId, type ModelId } from '../../../src/core/ids.ts';
import { decodePlan, encodePlan } from '../../../src/core/plan/encode.ts';
import { planRequest } from '../../../src/core/plan/planner.ts';
import type { Planner, PlanQuestion } from '../../../src/mesh/plan-thread.ts';
import type { ModelAccess } from '../../../src/mesh/ports.ts';
import { Preparation } from '../../../src/mesh/preparation.ts';

const MODEL = 'a'.repeat(64) as ModelId;
const INPUTS = new Map([['image', { type: 'float32', shape: [1, 3, 224, 224] }]] as const);
const { signal } = new AbortController();

describe('mesh/preparation', () => {
  const graph = vggGraph('vgg16');
  const bound = bindGraph(graph, INPUTS);
  const peers: readonly PeerProfile[] = Array.from({ length: 8 }, (_, index) => ({
    peer: asPeerId(`peer-${index}`),
    macsPerSecond: 8e9,
    memoryBudgetBytes: 1e9,
  }));
  let asked: { readonly question: PlanQuestion; readonly answer: (promisedMs?: number) => void }[];
  let preparation: Preparation;

  /** Plans when it is told to, and promises what it is told to. */
  const planner: Planner = {
    plan: (question) => {
      const { promise, resolve } = Promise.withResolvers<Uint8Array>();
      const answer = (promisedMs?: number): void => {
        const plan = planRequest({ ...question, bound });
        resolve(encodePlan({ ...plan, predictedMs: promisedMs ?? plan.predictedMs }));
      };
      asked.push({ question, answer });
      return promise;
    },
    close: () => Promise.resolve(),
  };
  const models = { graph: () => Promise.resolve(graph) } as unknown as ModelAccess;

  const question = (available: readonly PeerProfile[], isCold = false) => ({
    modelId: MODEL,
    inputs: INPUTS,
    peers: available,
    coordinator: peers[0]!.peer,
    link: GIGABIT,
    parallelism: 0,
    isCold,
  });

  const participants = (bytes: Uint8Array): readonly string[] => decodePlan(bytes).participants;
  const without = (lost: string): PeerProfile[] => peers.filter(({ peer }) => peer !== lost);

  beforeEach(async () => {
    asked = [];
    preparation = new Preparation(models, planner, 'exact');
    const first = preparation.planFor(question(peers), signal);
    await setImmediate();
    asked[0]!.answer();
    await preparation.learn(await first, signal);
  });

  it('goes on with the plan of those that are left, without waiting for the planner', async () => {
    const patched = await preparation.planFor(question(without('peer-3'), true), signal);
    assert.ok(!participants(patched.bytes).includes('peer-3'));
    assert.equal(participants(patched.bytes).length, 7);
    await setImmediate();
    assert.equal(asked.length, 2);
    assert.equal(asked[1]!.question.isCold, false);
    // Later requests neither wait nor ask again.
    assert.deepEqual(await preparation.planFor(question(without('peer-3')), signal), patched);
    assert.equal(asked.length, 2);
  });

  it('uses the new plan once it is there, where it promises a tenth more', async () => {
    const patched = await preparation.planFor(question(without('peer-3')), signal);
    await setImmediate();
    asked[1]!.answer(1);
    await setImmediate();
    const later = await preparation.planFor(question(without('peer-3')), signal);
    assert.notEqual(later.digest, patched.digest);
    assert.equal(decodePlan(later.bytes).predictedMs, 1);
  });

  it('keeps the patched plan where the new one is hardly better', async () => {
    const patched = await preparation.planFor(question(without('peer-3')), signal);
    await setImmediate();
    asked[1]!.answer(decodePlan(patched.bytes).predictedMs * 0.95);
    await setImmediate();
    assert.equal((await preparation.planFor(question(without('peer-3')), signal)).digest, patched.digest);
  });

  it('patches the plan that a request was lost with, though another peer made it', async () => {
    const known = await preparation.planFor(question(peers), signal);
    const other = new Preparation(models, planner, 'exact');
    await other.learn(known, signal);
    const patched = await other.planFor(question(without('peer-0'), true), signal, known.digest);
    assert.equal(participants(patched.bytes).length, 7);
  });

  it('goes on with its plan when a peer has come or become faster, and uses a better one once it is there', async () => {
    const known = await preparation.planFor(question(peers), signal);
    const more = [...peers, { ...peers[0]!, peer: asPeerId('peer-8') }];
    const faster = peers.map((profile, index) => (index === 5 ? { ...profile, macsPerSecond: 32e9 } : profile));
    for (const available of [more, faster]) {
      const before = asked.length;
      assert.deepEqual(await preparation.planFor(question(available), signal), known);
      await setImmediate();
      assert.equal(asked.length, before + 1);
    }
    asked.at(-1)!.answer(1);
    await setImmediate();
    assert.notEqual((await preparation.planFor(question(faster), signal)).digest, known.digest);
  });

  it('does without one that has become much slower, and bears with one that is a little slower', async () => {
    const known = await preparation.planFor(question(peers), signal);
    const slowed = (macsPerSecond: number) =>
      peers.map((profile, index) => (index === 5 ? { ...profile, macsPerSecond } : profile));
    assert.deepEqual(await preparation.planFor(question(slowed(3e9)), signal), known);
    const other = new Preparation(models, planner, 'exact');
    const first = other.planFor(question(peers), signal);
    await setImmediate();
    asked.at(-1)!.answer();
    await other.learn(await first, signal);
    const patched = await other.planFor(question(slowed(1e9)), signal);
    assert.ok(!participants(patched.bytes).includes('peer-5'));
    assert.equal(participants(patched.bytes).length, 7);
  });

  it('waits for the planner when many are gone', async () => {
    const before = asked.length;
    const planned = preparation.planFor(question(peers.slice(0, 4)), signal);
    await setImmediate();
    assert.equal(asked.length, before + 1);
    asked.at(-1)!.answer();
    await planned;
  });

  it('waits for it when more boards are asked for than the last plan has', async () => {
    const more = [...peers, { ...peers[0]!, peer: asPeerId('peer-8') }];
    const wide = { ...question(peers.slice(0, 2)), parallelism: 9 };
    const first = preparation.planFor(wide, signal);
    await setImmediate();
    asked.at(-1)!.answer();
    await preparation.learn(await first, signal);
    const before = asked.length;
    const second = preparation.planFor({ ...wide, peers: more }, signal);
    await setImmediate();
    assert.equal(asked.length, before + 1);
    asked.at(-1)!.answer();
    await second;
  });
});
