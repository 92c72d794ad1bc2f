import assert from 'node:assert/strict';
import fc from 'fast-check';
import { lenet5Graph } from '../../../../models/zoo/lenet5/network.ts';
import { vggGraph } from '../../../../models/zoo/vgg/network.ts';
import { GIGABIT, type PeerProfile } from '../../../../src/core/cost/cost-model.ts';
import { bindGraph, type BoundGraph } from '../../../../src/core/graph/bind.ts';
import type { Graph } from '../../../../src/core/graph/graph.ts';
import { asPeerId, type ModelId } from '../../../../src/core/ids.ts';
import { patchPlan } from '../../../../src/core/plan/patch.ts';
import type { Plan } from '../../../../src/core/plan/plan.ts';
import { planRequest } from '../../../../src/core/plan/planner.ts';
import { checkPlan } from '../../../../src/core/plan/validate.ts';

function bind(graph: Graph): BoundGraph {
  const [input] = graph.inputs;
  const shape = input!.dims.map((dim) => (typeof dim === 'string' ? 1 : dim));
  return bindGraph(graph, new Map([[input!.name, { type: 'float32', shape }]]));
}

const peersOf = (speeds: readonly number[], memoryBudgetBytes = 1e9): PeerProfile[] =>
  speeds.map((speed, index) => ({ peer: asPeerId(`peer-${index}`), macsPerSecond: speed * 1e9, memoryBudgetBytes }));

const planFor = (bound: BoundGraph, peers: readonly PeerProfile[]): Plan =>
  planRequest({
    bound,
    modelId: 'a'.repeat(64) as ModelId,
    peers,
    coordinator: peers[0]!.peer,
    link: GIGABIT,
    parallelism: peers.length,
  });

const without = (peers: readonly PeerProfile[], ...lost: readonly number[]): PeerProfile[] =>
  peers.filter((_, index) => !lost.includes(index));

describe('core/plan/patch', () => {
  const lenet = bind(lenet5Graph());
  const vgg = bind(vggGraph('vgg16'));

  it('leaves what is cut as it is, and gives the parts of the lost to those that are left', () => {
    const speeds = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 3, maxLength: 8 });
    fc.assert(
      fc.property(speeds, fc.nat(), (own, choice) => {
        const peers = peersOf(own);
        const plan = planFor(lenet, peers);
        fc.pre(plan.participants.length > 1);
        const lost = peers.findIndex(({ peer }) => peer === plan.participants[choice % plan.participants.length]);
        const patched = patchPlan(lenet, plan, without(peers, lost))!;
        checkPlan(lenet, patched);
        assert.ok(!patched.participants.includes(peers[lost]!.peer));
        for (const [index, block] of plan.blocks.entries()) {
          for (const [part, { outputs, participant }] of block.parts.entries()) {
            const now = patched.blocks[index]!.parts[part]!;
            assert.deepEqual(now.outputs, outputs);
            const owner = plan.participants[participant]!;
            if (owner !== peers[lost]!.peer) assert.equal(patched.participants[now.participant], owner);
          }
        }
        assert.ok(patched.predictedMs >= plan.predictedMs);
      }),
      { numRuns: 50 },
    );
  });

  it('gives no block of VGG-16 over 24 boards more than twice what it took', () => {
    const peers = peersOf(new Array<number>(24).fill(8));
    const plan = planFor(vgg, peers);
    const patched = patchPlan(vgg, plan, without(peers, 3))!;
    const slowest = ({ parts }: Plan['blocks'][number]): number => Math.max(...parts.map((part) => part.predictedMs));
    const most = plan.blocks.reduce((sum, block) => sum + slowest(block), 0);
    assert.ok(patched.predictedMs <= plan.predictedMs + most + 1e-6);
    for (const block of patched.blocks) {
      const parts = patched.participants.map((_, own) => block.parts.filter(({ participant }) => participant === own));
      assert.ok(parts.every(({ length }) => length <= 2));
    }
  });

  it('gives more to the faster of those that are left', () => {
    const peers = peersOf([4, 4, 4, 4, 12]);
    const plan = planFor(vgg, peersOf([4, 4, 4, 4, 4]));
    const patched = patchPlan(vgg, plan, without(peers, 0))!;
    const added = patched.participants.map((_, own) =>
      patched.blocks.reduce((sum, { parts }) => sum + parts.filter(({ participant }) => participant === own).length, 0),
    );
    assert.equal(Math.max(...added), added[patched.participants.indexOf(peers[4]!.peer)]);
  });

  it('is none where nobody is lost, where too many are, and where the rest has no room for the weights', () => {
    const peers = peersOf(new Array<number>(8).fill(8));
    const plan = planFor(vgg, peers);
    assert.equal(patchPlan(vgg, plan, peers), undefined);
    assert.equal(patchPlan(vgg, plan, without(peers, 0, 1, 2)), undefined);
    assert.equal(patchPlan(vgg, plan, []), undefined);
    assert.ok(patchPlan(vgg, plan, without(peers, 0, 1)));
    assert.equal(patchPlan(vgg, plan, without(peersOf(new Array<number>(8).fill(8), 50e6), 0)), undefined);
  });
});
