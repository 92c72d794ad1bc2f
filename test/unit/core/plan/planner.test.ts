import assert from 'node:assert/strict';
import { lenet5Graph } from '../../../../models/zoo/lenet5/network.ts';
import { vggGraph } from '../../../../models/zoo/vgg/network.ts';
import { GIGABIT, type PeerProfile } from '../../../../src/core/cost/cost-model.ts';
import { length } from '../../../../src/core/geometry/interval.ts';
import { bindGraph, type BoundGraph } from '../../../../src/core/graph/bind.ts';
import type { Graph } from '../../../../src/core/graph/graph.ts';
import { asPeerId, type ModelId } from '../../../../src/core/ids.ts';
import { demandOf } from '../../../../src/core/program/demand.ts';
import { deriveDataflow } from '../../../../src/core/plan/dataflow.ts';
import type { Plan } from '../../../../src/core/plan/plan.ts';
import { levelled, planRequest } from '../../../../src/core/plan/planner.ts';
import { checkPlan } from '../../../../src/core/plan/validate.ts';

const MODEL = 'a'.repeat(64) as ModelId;

function bind(graph: Graph): BoundGraph {
  const [input] = graph.inputs;
  const shape = input!.dims.map((dim) => (typeof dim === 'string' ? 1 : dim));
  return bindGraph(graph, new Map([[input!.name, { type: 'float32', shape }]]));
}

const peers = (...speeds: readonly number[]): PeerProfile[] =>
  speeds.map((speed, index) => ({
    peer: asPeerId(`peer-${index}`),
    macsPerSecond: speed * 1e9,
    memoryBudgetBytes: 1e9,
  }));

const plan = (
  bound: BoundGraph,
  profiles: readonly PeerProfile[],
  coordinator = 0,
  parallelism = 0,
  concurrency = 1,
): Plan =>
  planRequest({
    bound,
    modelId: MODEL,
    peers: profiles,
    coordinator: asPeerId(`peer-${coordinator}`),
    link: GIGABIT,
    parallelism,
    concurrency,
  });

/** Weights that each participant of a plan reads, in bytes. */
function weightBytes(bound: BoundGraph, made: Plan): number[] {
  const bytes = made.participants.map(() => 0);
  for (const block of made.blocks) {
    for (const { participant, outputs } of block.parts) {
      bytes[participant]! += demandOf(bound, block, new Map(Object.entries(outputs))).weightBytes;
    }
  }
  return bytes;
}

describe('core/plan', () => {
  const lenet = bind(lenet5Graph());
  const vgg = bind(vggGraph('vgg16'));

  it('runs a network that is too small to gain from cutting whole on the coordinator', () => {
    const made = plan(lenet, peers(10, 10, 10, 10), 2);
    assert.deepEqual(made.participants, ['peer-2']);
    assert.equal(made.blocks.length, 1);
  });

  it('cuts it all the same where a degree is asked for, and computes nothing twice over', () => {
    const made = plan(lenet, peers(10, 10, 10, 10), 0, 4);
    checkPlan(lenet, made);
    assert.equal(made.participants.length, 4);
    assert.ok(made.blocks.length > 1);
    assert.ok(made.blocks.every((block) => block.parts.length === 4));
  });

  for (const count of [2, 3, 4, 7, 24]) {
    it(`cuts VGG-16 over ${count} boards faster than on one`, () => {
      const made = plan(vgg, peers(...new Array<number>(count).fill(10)));
      checkPlan(vgg, made);
      assert.ok(made.participants.length > count / 2);
      assert.ok(made.predictedMs < made.singleMs);
    });
  }

  it('is not changed by noise in the speeds', () => {
    const made = [peers(10, 11, 9, 10), peers(9, 10, 11, 10)].map((profiles) => plan(vgg, profiles));
    assert.deepEqual(made[0], made[1]);
  });

  it('levels speeds that are near each other and keeps those that are not', () => {
    const speeds = levelled(peers(10, 4, 9, 11, 3.9)).map(({ macsPerSecond }) => macsPerSecond);
    assert.equal(new Set(speeds).size, 2);
    assert.deepEqual(
      speeds,
      speeds.toSorted((a, b) => b - a),
    );
  });

  it('makes the same plan for the same peers whoever coordinates', () => {
    assert.deepEqual(plan(vgg, peers(10, 10, 10, 10), 0, 4), plan(vgg, peers(10, 10, 10, 10), 3, 4));
  });

  it('gives each request fewer peers the more requests are under way, in groups that do not meet', () => {
    const boards = peers(...new Array<number>(24).fill(10));
    const counts = [1, 2, 4, 8, 48].map((concurrency) => plan(vgg, boards, 0, 0, concurrency).participants.length);
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => b - a),
    );
    assert.equal(counts.at(-1), 1);
    const groups = boards.map((_, coordinator) => plan(vgg, boards, coordinator, 0, 4).participants);
    assert.ok(groups.every((group, coordinator) => group.includes(asPeerId(`peer-${coordinator}`))));
    const distinct = [...new Set(groups.map((group) => group.join()))].flatMap((group) => group.split(','));
    assert.equal(new Set(distinct).size, distinct.length);
  });

  it('keeps the weights of every peer within its memory, where no single one could hold them', () => {
    const boards = peers(...new Array<number>(8).fill(10)).map((own) => ({ ...own, memoryBudgetBytes: 150e6 }));
    const made = plan(vgg, boards);
    checkPlan(vgg, made);
    assert.ok(Math.max(...weightBytes(vgg, made)) <= 150e6);
  });

  it('refuses a model whose weights fit no division of it, and says what would help', () => {
    const boards = peers(10, 10).map((own) => ({ ...own, memoryBudgetBytes: 150e6 }));
    assert.throws(() => plan(vgg, boards), { code: 'UNAVAILABLE', message: /554 MB.*2 peers.*150 MB.*memory/ });
  });

  it('gives a faster peer more rows', () => {
    const made = plan(vgg, peers(30, 10), 0, 2);
    const rows = made.blocks[0]!.parts.map((part) => length(Object.values(part.outputs)[0]![2]!));
    assert.deepEqual(made.participants, ['peer-0', 'peer-1']);
    assert.ok(rows[0]! >= 2 * rows[1]!, rows.join(' and '));
  });

  it('gives weight-heavy layers to all by channels where nothing is prepared', () => {
    const request = {
      bound: vgg,
      modelId: MODEL,
      peers: peers(60, 60, 60),
      coordinator: asPeerId('peer-0'),
      link: GIGABIT,
    };
    const cold = planRequest({ ...request, parallelism: 3, isCold: true });
    const warm = planRequest({ ...request, parallelism: 3, isCold: false });
    const byChannels = (made: Plan): number => made.blocks.filter((block) => block.cut.axes[0] === 1).length;
    assert.ok(byChannels(cold) > byChannels(warm));
  });

  it('cuts what no peer can hold alone, and says when all of them together cannot', () => {
    const own = (memoryBudgetBytes: number): Plan =>
      planRequest({
        bound: vgg,
        modelId: MODEL,
        peers: peers(10, 10, 10, 10).map((profile) => ({ ...profile, memoryBudgetBytes })),
        coordinator: asPeerId('peer-0'),
        link: GIGABIT,
        parallelism: 0,
      });
    const made = own(300e6);
    checkPlan(vgg, made);
    assert.equal(made.participants.length, 4);
    assert.equal(made.singleMs, 0);
    assert.throws(() => own(100e6), { code: 'UNAVAILABLE', message: /memory/ });
  });

  it('sends every piece that is needed, and no other', () => {
    const made = plan(vgg, peers(10, 10, 10), 0, 3);
    const { tasks, sends, outputs } = deriveDataflow(vgg, made);
    const needed = [...tasks.flatMap((task) => task.needs), ...outputs];
    const sent = [...sends.values()].flat();
    assert.equal(sent.length, needed.length);
    assert.deepEqual(new Set(sent), new Set(needed));
  });

  describe('a plan that does not fit its graph is refused', () => {
    const good = plan(lenet, peers(10, 10), 0, 2);
    const [block] = good.blocks;
    const [part] = block!.parts;
    const misfits: readonly (readonly [string, Plan, RegExp])[] = [
      ['a missing block', { ...good, blocks: good.blocks.slice(1) }, /next/],
      ['a missing end', { ...good, blocks: good.blocks.slice(0, -1) }, /ends at/],
      ['a missing part', { ...good, blocks: [{ ...block!, parts: [part!] }, ...good.blocks.slice(1)] }, /cover/],
      ['a layer that there is not', { ...good, arithmetic: 'fast', filtered: ['conv9'] }, /"conv9" is no convolution/],
      ['a part twice', { ...good, blocks: [{ ...block!, parts: [part!, part!] }, ...good.blocks.slice(1)] }, /cover/],
    ];
    for (const [name, value, message] of misfits) {
      it(name, () => assert.throws(() => checkPlan(lenet, value), { code: 'INVALID_MESSAGE', message }));
    }
  });
});
