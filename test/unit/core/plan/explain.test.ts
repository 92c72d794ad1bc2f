import assert from 'node:assert/strict';
import { vggGraph } from '../../../../models/zoo/vgg/network.ts';
import { GIGABIT } from '../../../../src/core/cost/cost-model.ts';
import { bindGraph } from '../../../../src/core/graph/bind.ts';
import { asPeerId, type ModelId } from '../../../../src/core/ids.ts';
import { deriveDataflow, transferBytes } from '../../../../src/core/plan/dataflow.ts';
import { explainPlan } from '../../../../src/core/plan/explain.ts';
import { choosePlan, planRequest } from '../../../../src/core/plan/planner.ts';
import { totalMacs } from '../../../../src/core/program/demand.ts';

describe('core/plan/explain', () => {
  const bound = bindGraph(vggGraph('vgg16'), new Map([['image', { type: 'float32', shape: [1, 3, 224, 224] }]]));
  const peers = [0, 1, 2, 3].map((index) => ({
    peer: asPeerId(`peer-${index}`),
    macsPerSecond: 10e9,
    memoryBudgetBytes: 1e9,
  }));
  const [{ peer: coordinator }] = peers as [(typeof peers)[number]];
  const request = { bound, modelId: 'a'.repeat(64) as ModelId, peers, coordinator, link: GIGABIT, parallelism: 0 };
  const choice = choosePlan(request);
  const explanation = explainPlan(bound, choice, peers, coordinator, GIGABIT);
  const { blocks } = explanation;
  const total = (of: (block: (typeof blocks)[number]) => number): number =>
    blocks.reduce((sum, block) => sum + of(block), 0);

  it('chooses the plan that is asked for without reasons', () => assert.deepEqual(choice.plan, planRequest(request)));

  it('speaks of every operator once', () =>
    assert.deepEqual(
      blocks.flatMap(({ nodes }) => nodes),
      bound.steps.map(({ node }) => node.name),
    ));

  it('counts the work of the network once, and what is done twice besides', () => {
    const once = total(({ macs, redundancy }) => macs * (1 - redundancy));
    assert.ok(Math.abs(once - totalMacs(bound)) < 1e-6 * once);
    assert.ok(blocks.some(({ redundancy }) => redundancy > 0));
    assert.ok(blocks.every(({ redundancy }) => redundancy >= 0 && redundancy < 1));
  });

  it('counts the bytes that the dataflow moves', () => {
    const { sends } = deriveDataflow(bound, choice.plan);
    const place = (index: number): number => (index === -1 ? 0 : index);
    const moving = [...sends.values()].flat().filter(({ from, to }) => place(from) !== place(to));
    assert.equal(explanation.messages, moving.length);
    assert.equal(
      explanation.bytes,
      moving.reduce((sum, transfer) => sum + transferBytes(bound, transfer), 0),
    );
  });

  it('takes as long as the plan promises, give or take what the search only estimates', () => {
    const ms = total(({ computeMs, exchange }) => computeMs + exchange.ms) + explanation.gather.ms;
    assert.ok(Math.abs(ms - explanation.predictedMs) < 0.15 * explanation.predictedMs, `${ms}`);
  });

  it('names a runner-up that is no better and another layout', () => {
    const others = blocks.flatMap(({ runnerUp, cut }) => (runnerUp === null ? [] : [{ ...runnerUp, chosen: cut }]));
    assert.ok(others.length >= blocks.length / 2);
    for (const { lossMs, cut, chosen } of others) {
      assert.ok(lossMs >= -1e-6, `${cut} instead of ${chosen}: ${lossMs} ms`);
      assert.notEqual(cut, chosen);
    }
  });

  it('says what other numbers of peers would have done', () => {
    assert.deepEqual(
      explanation.considered.map((one) => one.peers),
      [1, 2, 4],
    );
    assert.ok(explanation.considered.every(({ predictedMs }) => predictedMs >= 0.99 * explanation.predictedMs));
  });
});
