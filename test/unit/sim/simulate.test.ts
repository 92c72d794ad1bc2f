import assert from 'node:assert/strict';
import { lenet5Graph } from '../../../models/zoo/lenet5/network.ts';
import { alexnetGraph } from '../../../models/zoo/alexnet/network.ts';
import { GIGABIT } from '../../../src/core/cost/cost-model.ts';
import { bindGraph, type BoundGraph } from '../../../src/core/graph/bind.ts';
import type { Graph } from '../../../src/core/graph/graph.ts';
import type { ModelId } from '../../../src/core/ids.ts';
import { ENTRY, ENTRY_KEY, transferBytes } from '../../../src/core/plan/dataflow.ts';
import { emulatedBoard, parseBoards, plainBoard } from '../../../src/sim/boards.ts';
import type { BoardModel } from '../../../src/sim/board.ts';
import { boardName, simulate, type Scenario } from '../../../src/sim/simulate.ts';
import { percentile, summarise } from '../../../src/sim/summary.ts';

function bind(graph: Graph): BoundGraph {
  const [input] = graph.inputs;
  const shape = input!.dims.map((dim) => (typeof dim === 'string' ? 1 : dim));
  return bindGraph(graph, new Map([[input!.name, { type: 'float32', shape }]]));
}

const lenet = bind(lenet5Graph());
const alexnet = bind(alexnetGraph());
const boards = (count: number, board: BoardModel = plainBoard(10e9)): BoardModel[] =>
  new Array<BoardModel>(count).fill(board);

const scenario = (changes: Partial<Scenario> = {}): Scenario => ({
  bound: lenet,
  modelId: 'a'.repeat(64) as ModelId,
  link: GIGABIT,
  cable: GIGABIT,
  parallelism: 4,
  boards: boards(4),
  workload: { kind: 'requests', count: 1 },
  ...changes,
});

/** Nothing takes time but kernels. */
const effortless = (board: BoardModel): BoardModel => ({
  ...board,
  overheads: { tileMs: 0, messageMs: 0, byteMs: 0, participantMs: 0 },
});

describe('sim/simulate', () => {
  it('computes every tile once, after what it needs has arrived', () => {
    const { timeline, prepared, requests } = simulate(scenario());
    const { tasks } = prepared!.dataflow;
    const keys = timeline.tiles.map(({ block, part }) => `${block}/${part}`);
    assert.equal(requests[0]!.outcome, 'answered');
    assert.deepEqual(keys.toSorted(), tasks.map(({ block, part }) => `${block}/${part}`).toSorted());
    for (const { block, part, startMs } of timeline.tiles) {
      for (const message of timeline.messages.filter((own) => own.block === block && own.part === part)) {
        assert.ok(message.receivedMs[1] <= startMs);
      }
    }
  });

  it('moves the bytes of the dataflow, and no others', () => {
    const { timeline, prepared, requests } = simulate(scenario());
    const { dataflow, plan } = prepared!;
    const place = (index: number): string => (index === ENTRY ? requests[0]!.entry : plan.participants[index]!);
    const moving = [...dataflow.sends.values()].flat().filter(({ from, to }) => place(from) !== place(to));
    const sent = timeline.messages.filter(({ block }) => block >= 0);
    const headers = 160 * sent.length;
    assert.ok(dataflow.sends.has(ENTRY_KEY));
    assert.equal(sent.length, moving.length);
    assert.equal(
      sent.reduce((sum, { bytes }) => sum + bytes, 0) - headers,
      moving.reduce((sum, transfer) => sum + transferBytes(lenet, transfer), 0),
    );
  });

  it('gives the same result for the same seed and another for another', () => {
    const workload = { kind: 'open', requestsPerSecond: 20, seconds: 2 } as const;
    const [one, same, other] = [1, 1, 2].map((seed) => simulate(scenario({ workload, settings: { seed } })).requests);
    assert.ok(one!.length > 20);
    assert.deepEqual(one, same);
    assert.notDeepEqual(one, other);
  });

  it('is bound by the kernels where nothing else takes time', () => {
    const result = simulate(
      scenario({
        bound: alexnet,
        parallelism: 2,
        boards: boards(2, effortless(plainBoard(10e9))),
        cable: { bytesPerSecond: Infinity, latencyMs: 0 },
        settings: { requestMs: 0 },
        hasHeartbeats: false,
      }),
    );
    const slowest = new Map<number, number>();
    for (const { block, startMs, endMs } of result.timeline.tiles) {
      slowest.set(block, Math.max(slowest.get(block) ?? 0, endMs - startMs));
    }
    const busiest = Math.max(...result.boards.map(({ kernelMs }) => kernelMs));
    const inStep = [...slowest.values()].reduce((sum, ms) => sum + ms, 0);
    assert.ok(result.elapsedMs >= busiest - 1e-6, `${result.elapsedMs} < ${busiest}`);
    assert.ok(result.elapsedMs <= inStep + 1e-6, `${result.elapsedMs} > ${inStep}`);
  });

  it('is not slower with more bandwidth', () => {
    const times = [1, 10, 100, 1000, 10_000].map((megabits) => {
      const cable = { bytesPerSecond: megabits * 117e3, latencyMs: 0.2 };
      return simulate(scenario({ bound: alexnet, cable, hasHeartbeats: false })).elapsedMs;
    });
    assert.deepEqual(
      times,
      times.toSorted((a, b) => b - a),
    );
    assert.ok(times[0]! > 2 * times[4]!);
  });

  it('is near the time that the planner predicts', () => {
    const { prepared, elapsedMs } = simulate(scenario({ bound: alexnet, hasHeartbeats: false }));
    const { predictedMs } = prepared!.plan;
    assert.ok(Math.abs(elapsedMs - predictedMs) < 0.3 * predictedMs, `${elapsedMs} against ${predictedMs}`);
  });

  describe('when a board vanishes', () => {
    const undisturbed = simulate(scenario({ bound: alexnet })).requests[0]!;
    const halfMs = undisturbed.endedMs / 2;
    const indexOf = (peer: string): number => [0, 1, 2, 3].findIndex((index) => boardName(index) === peer);
    const entry = indexOf(undisturbed.entry);
    const coordinator = indexOf(undisturbed.coordinator!);
    const neither = [0, 1, 2, 3].find((index) => index !== entry && index !== coordinator)!;

    const cases = [
      ['a participant: the same coordinator plans again', neither, { terms: 1, attempts: 2, entries: 1 }],
      ['the coordinator: another one is elected', 'coordinator', { terms: 2, attempts: 2, entries: 1 }],
    ] as const;
    for (const [name, board, expected] of cases) {
      it(name, () => {
        const { requests, boards: usage } = simulate(scenario({ bound: alexnet, kills: [{ board, atMs: halfMs }] }));
        const { outcome, terms, attempts, entries } = requests[0]!;
        assert.equal(outcome, 'answered');
        assert.deepEqual({ terms, attempts, entries }, expected);
        assert.equal(usage.filter(({ isDead }) => isDead).length, 1);
      });
    }

    it('the entry: the client asks another', () => {
      assert.notEqual(entry, coordinator);
      const { requests } = simulate(scenario({ bound: alexnet, kills: [{ board: entry, atMs: halfMs }] }));
      assert.equal(requests[0]!.outcome, 'answered');
      assert.equal(requests[0]!.entries, 2);
      assert.notEqual(requests[0]!.entry, undisturbed.entry);
    });

    it('nobody computes on it any more', () => {
      const { timeline } = simulate(scenario({ bound: alexnet, kills: [{ board: neither, atMs: halfMs }] }));
      assert.ok(timeline.tiles.every(({ board, endMs }) => board !== neither || endMs <= halfMs));
    });

    it('the last one: the request fails', () => {
      const kills = [0, 1, 2, 3].map((board) => ({ board, atMs: halfMs }));
      assert.equal(simulate(scenario({ bound: alexnet, kills })).requests[0]!.outcome, 'failed');
    });

    it('one that does not exist is refused', () =>
      assert.throws(() => simulate(scenario({ kills: [{ board: 9, atMs: 1 }] })), { code: 'INVALID_ARGUMENT' }));
  });

  it('answers all of a load, later where there is more of it', () => {
    const load = (requestsPerSecond: number) => {
      const workload = { kind: 'open', requestsPerSecond, seconds: 5 } as const;
      const own = scenario({ bound: alexnet, boards: boards(2), parallelism: 1, workload });
      return summarise(simulate(own), own.boards, workload);
    };
    const [little, much] = [load(1), load(12)];
    assert.equal(little.failed + much.failed, 0);
    assert.ok(little.latency!.medianMs < much.latency!.medianMs);
    assert.ok(little.answersPerSecond < much.answersPerSecond);
  });

  it('keeps clients waiting for each other where there is one board', () => {
    const latency = (clients: number): number => {
      const workload = { kind: 'closed', clients, seconds: 5 } as const;
      const own = scenario({ bound: alexnet, boards: boards(1), workload });
      return summarise(simulate(own), own.boards, workload).latency!.medianMs;
    };
    const ratio = latency(3) / latency(1);
    assert.ok(ratio > 2.5 && ratio < 3.5, String(ratio));
  });

  it('gives an emulated board its share of the speed in the long run', () => {
    const machine = { macsPerSecond: 60e9, cores: 2 };
    const elapsed = (board: BoardModel): number =>
      simulate(scenario({ bound: alexnet, boards: boards(1, board), sharedCores: 2, hasHeartbeats: false })).elapsedMs;
    const whole = elapsed({ ...emulatedBoard(1, machine) });
    const share = elapsed(emulatedBoard(1 / 16, machine));
    assert.ok(Math.abs(share / whole - 16) < 2, String(share / whole));
  });

  it('gives each coordinator of many equal boards a plan that it takes part in', () => {
    const own = scenario({ boards: parseBoards('10', 40, () => ({ macsPerSecond: 0, cores: 1 })), parallelism: 4 });
    const { requests, prepared } = simulate({ ...own, workload: { kind: 'requests', count: 12 } });
    assert.ok(requests.every(({ outcome }) => outcome === 'answered'));
    assert.ok(prepared!.plan.participants.includes(requests[0]!.coordinator!));
  });
});

describe('sim/summary', () => {
  for (const [share, expected] of [
    [0, 1],
    [0.5, 2],
    [0.95, 4],
    [1, 4],
  ] as const) {
    it(`takes ${expected} of 1 to 4 for the share ${share}`, () =>
      assert.equal(percentile([1, 2, 3, 4], share), expected));
  }
});
