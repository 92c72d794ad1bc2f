import assert from 'node:assert/strict';
import { Clients, type Call } from '../../../bench/chaos/clients.ts';
import { FAULT_KINDS, type Incident } from '../../../bench/chaos/faults.ts';
import { judge } from '../../../bench/chaos/history.ts';
import { maxTroubled, nextFault } from '../../../bench/chaos/nemesis.ts';
import { uniformIntegers } from '../../../models/zoo/random.ts';
import type { RequestId } from '../../../src/core/ids.ts';
import { fromFloat32 } from '../../../src/core/tensor/tensor.ts';
import { fakePeer, MODEL_ID, report, SELF, startFakeApi } from '../../support/fake-peer.ts';
import { startSilentServer } from '../../support/silent-server.ts';

const outputs = (...values: number[]) => new Map([['y', fromFloat32([values.length], values)]]);
const EXPECTED = [outputs(1, 2), outputs(3, 4)];

/** Answered with `values` at these times, each. */
const call = (
  input: number,
  startMs: number,
  ...answers: readonly (readonly [atMs: number, values: number[]])[]
): Call => ({
  id: 'f'.repeat(32) as RequestId,
  input,
  startMs,
  answers: answers.map(([atMs, values]) => ({ atMs, outputs: outputs(...values), report: report() })),
  isAccepted: true,
  refusals: answers.length === 0 ? ['board-01: PEER_LOST: gone'] : [],
  tries: Array.from({ length: Math.max(1, answers.length) }, () => ({ board: 'board-01', atMs: startMs })),
});

describe('bench/chaos/history', () => {
  it('finds nothing in right answers, and counts a second one that is the same as none', () => {
    const verdict = judge([call(0, 0, [10, [1, 2]], [20, [1, 2]]), call(1, 5, [9, [3, 4]])], [], EXPECTED, 1e-5);
    assert.deepEqual([verdict.requests, verdict.lost, verdict.wrong, verdict.duplicated], [2, 0, 0, 0]);
    assert.equal(verdict.askedAgain, 1);
    assert.equal(verdict.others?.max, 10);
  });

  it('finds a lost request, and says why', () => {
    const verdict = judge([call(0, 0), call(0, 1, [2, [1, 2]])], [], EXPECTED, 1e-5);
    assert.equal(verdict.lost, 1);
    assert.match(verdict.reasons[0]!, /PEER_LOST/);
  });

  it('tells requests that nobody took on from lost ones', () => {
    const verdict = judge([{ ...call(0, 0), isAccepted: false }, call(0, 1)], [], EXPECTED, 1e-5);
    assert.deepEqual([verdict.refused, verdict.lost], [1, 1]);
  });

  it('finds a wrong answer, also when it is the answer to another request, or comes late', () => {
    assert.equal(judge([call(0, 0, [1, [1, 2.1]])], [], EXPECTED, 1e-5).wrong, 1);
    assert.equal(judge([call(0, 0, [1, [3, 4]])], [], EXPECTED, 1e-5).wrong, 1);
    assert.equal(judge([call(0, 0, [1, [1, 2]], [2, [3, 4]])], [], EXPECTED, 1e-5).wrong, 1);
    assert.equal(judge([call(0, 0, [1, [NaN, 2]])], [], EXPECTED, 1e-5).wrong, 1);
  });

  it('finds two answers that are both near enough, and not alike', () => {
    const verdict = judge([call(0, 0, [1, [1, 2]], [2, [1, 2.000001]])], [], EXPECTED, 1e-5);
    assert.deepEqual([verdict.wrong, verdict.duplicated], [0, 1]);
  });

  it('tells requests that were under way during a fault from others', () => {
    const incident: Incident = { kind: 'kill', boards: [1], lastsMs: 100, fromMs: 1_000, toMs: 1_100 };
    const calls = [
      call(0, 0, [990, [1, 2]]),
      call(0, 900, [1_500, [1, 2]]),
      call(0, 1_050, [1_060, [1, 2]]),
      call(0, 9_000, [9_020, [1, 2]]),
    ];
    const { hit, others } = judge(calls, [incident], EXPECTED, 1e-5);
    assert.deepEqual([hit.kill?.count, hit.kill?.max, others?.count, hit.freeze], [2, 600, 2, undefined]);
  });
});

describe('bench/chaos/nemesis', () => {
  it('never troubles more than a third of the boards, nor one that is troubled', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const choose = uniformIntegers(seed);
      const room = choose(3);
      const healthy = [2, 3, 5, 6, 8].slice(choose(3));
      const fault = nextFault(choose, FAULT_KINDS, healthy, room);
      if (fault === undefined) continue;
      assert.ok(fault.boards.length <= room);
      assert.equal(new Set(fault.boards).size, fault.boards.length);
      assert.ok(fault.boards.every((board) => healthy.includes(board)));
    }
    assert.deepEqual([2, 4, 5, 7, 8, 24].map(maxTroubled), [0, 1, 1, 2, 2, 7]);
  });

  it('does the same for the same seed', () => {
    const first = Array.from({ length: 2 }, () => nextFault(uniformIntegers(7), FAULT_KINDS, [1, 2, 3, 4, 5], 2));
    assert.deepEqual(first[0], first[1]);
  });
});

describe('bench/chaos/clients', () => {
  it('asks a board that it has not asked yet where one says nothing, and waits twice as long each time', async () => {
    const arrived = Promise.withResolvers<void>();
    const api = await startFakeApi(
      fakePeer({
        beforeAnswer: () => {
          arrived.resolve();
          return Promise.resolve();
        },
      }),
    );
    const silent = [await startSilentServer(), await startSilentServer()];
    const addresses = [...silent.map(({ address }) => `http://${address}`), api.url];
    const boards = addresses.map((url, index) => ({
      name: `board-${index}`,
      id: SELF,
      url: new URL(url),
      pid: 0,
      stop: () => Promise.resolve(),
    }));
    const inputs = new Map([['x', fromFloat32([1, 4], [1, 2, 3, 4])]]);
    // One of those that ask both silent boards first.
    const isUnlucky = (seed: number): boolean => {
      const choose = uniformIntegers(seed);
      return choose(1) === 0 && choose(3) < 2 && choose(2) === 0;
    };
    const seed = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].find(isUnlucky)!;
    const model = { id: MODEL_ID, name: 'double', folder: '', inputs };
    const clients = new Clients({ boards: () => boards, model, inputs: [inputs], parallelism: 1, seed });
    const stop = new AbortController();
    try {
      const asked = clients.call(stop.signal);
      await arrived.promise;
      // They would keep the call.
      for (const server of silent) server.stop();
      const { answers, tries } = await asked;
      assert.equal(answers.length, 1);
      assert.deepEqual(tries.map(({ board }) => board).sort(), ['board-0', 'board-1', 'board-2']);
      assert.ok(tries[2]!.atMs - tries[1]!.atMs >= 950, 'as long as the first time');
    } finally {
      stop.abort();
      for (const server of silent) server.stop();
      await api.close();
    }
  });
});
