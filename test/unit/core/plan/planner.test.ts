import assert from 'node:assert/strict';
import { lenet5Graph } from '../../../../models/zoo/lenet5/network.ts';
import { vggGraph } from '../../../../models/zoo/vgg/network.ts';
import { GIGABIT, type PeerProfile } from '../../../../src/core/cost/cost-model.ts';
import { length } from '../../../../src/core/geometry/interval.ts';
import { bindGraph, type BoundGraph } from '../../../../src/core/graph/bind.ts';
import type { Graph } from '../../../../src/core/graph/graph.ts';
import { asPeerId, type ModelId } from '../../../../src/core/ids.ts';
import { deriveDataflow } from '../../../../src/core/plan/dataflow.ts';
import type { Plan } from '../../../../src/core/plan/plan.ts';
import { levelled, planRequest } from '../../../../src/core/plan/planner.ts';
import { checkPlan, parsePlan } from '../../../../src/core/plan/validate.ts';

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

const plan = (bound: BoundGraph, profiles: readonly PeerProfile[], coordinator = 0, parallelism = 0): Plan =>
  planRequest({
    bound,
    modelId: MODEL,
    peers: profiles,
    coordinator: asPeerId(`peer-${coordinator}`),
    link: GIGABIT,
    parallelism,
  });

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

  it('cuts the same regions for the same peers whoever coordinates', () => {
    const [one, other] = [0, 3].map((coordinator) => plan(vgg, peers(10, 10, 10, 10), coordinator, 4));
    const regions = (made: Plan): unknown =>
      made.blocks
        .filter((block) => block.parts.length > 1)
        .map((block) => block.parts.map((part) => [made.participants[part.participant], part.outputs]));
    assert.deepEqual(regions(one!), regions(other!));
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

  it('survives the trip over the wire', () => {
    const made = plan(vgg, peers(10, 20, 10));
    assert.deepEqual(parsePlan(JSON.parse(JSON.stringify(made))), made);
  });

  describe('a plan that is none is refused', () => {
    const good = plan(lenet, peers(10, 10), 0, 2);
    const [block] = good.blocks;
    const [part] = block!.parts;
    const broken: readonly (readonly [string, unknown, RegExp])[] = [
      ['no object', 'plan', /not an object/],
      ['another schema', { ...good, schema: 'tilemesh.plan/0' }, /schema/],
      ['no model', { ...good, modelId: 'vgg' }, /modelId/],
      ['a type that is none', { ...good, inputs: { image: { type: 'float', shape: [1] } } }, /element type/],
      ['a participant that is none', { ...good, participants: [1] }, /participant/],
      ['too many blocks', { ...good, blocks: new Array(5000).fill(block) }, /blocks/],
      ['a part of nobody', { ...good, blocks: [{ ...block, parts: [{ ...part, participant: 7 }] }] }, /participant/],
      [
        'an empty region',
        { ...good, blocks: [{ ...block, parts: [{ ...part, outputs: { y: [{ start: 2, end: 2 }] } }] }] },
        /empty/,
      ],
      [
        'a negative region',
        { ...good, blocks: [{ ...block, parts: [{ ...part, outputs: { y: [{ start: -1, end: 2 }] } }] }] },
        /number/,
      ],
    ];
    for (const [name, value, message] of broken) {
      it(name, () => assert.throws(() => parsePlan(value), { code: 'INVALID_MESSAGE', message }));
    }

    const misfits: readonly (readonly [string, Plan, RegExp])[] = [
      ['a missing block', { ...good, blocks: good.blocks.slice(1) }, /next/],
      ['a missing end', { ...good, blocks: good.blocks.slice(0, -1) }, /ends at/],
      ['a missing part', { ...good, blocks: [{ ...block!, parts: [part!] }, ...good.blocks.slice(1)] }, /cover/],
      ['a part twice', { ...good, blocks: [{ ...block!, parts: [part!, part!] }, ...good.blocks.slice(1)] }, /cover/],
    ];
    for (const [name, value, message] of misfits) {
      it(name, () => assert.throws(() => checkPlan(lenet, value), { code: 'INVALID_MESSAGE', message }));
    }
  });
});
