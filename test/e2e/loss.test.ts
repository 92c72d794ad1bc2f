/**
 * Real processes, real kills: a board gets SIGKILL at ten moments of a request, once as its coordinator, once as a
 * participant. The client sees one answer each time, the same as without the kill.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Boards, type Board } from '../../demo/boards.ts';
import { photograph } from '../../demo/pictures.ts';
import { postForEvents } from '../../src/cli/client.ts';
import type { RunReport } from '../../src/core/report.ts';

const MODEL = 'vgg16';
const BOARDS = 4;
const MOMENTS = 10;
/** Requests that ended before the kill, or whose coordinator was their entry, do not count and are repeated. */
const MAX_TRIES = 80;
/** Every board has coordinated and has had the weights of its tiles before anything is timed. */
const WARM_RUNS = 16;
const TIMED_RUNS = 8;
/** A board that has just been started again has its weights to check and its plans to make. */
const REWARM_RUNS = 4;
const REQUEST_TIMEOUT_MS = 120_000;
/** Longer than this is no recovery. */
const STUCK_MS = 15_000;
/** What a loss may cost beyond twice the undisturbed time. */
const ALLOWANCE_MS = 1_000;

interface Reply {
  readonly report: RunReport;
  readonly outputs: readonly { readonly npy: string }[];
}

async function ask(
  entry: Board,
  picture: Uint8Array,
  onElected: (coordinator: string) => void = () => undefined,
): Promise<Reply> {
  let isElected = false;
  return (await postForEvents(
    [entry.url],
    {
      path: `/tilemesh/v1/models/${MODEL}/run`,
      query: { requestId: randomBytes(16).toString('hex'), outputs: 'npy', parallelism: String(BOARDS) },
      body: picture,
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    },
    (_stage, _completed, _total, coordinator) => {
      if (coordinator === undefined || isElected) return;
      isElected = true;
      onElected(coordinator);
    },
  )) as Reply;
}

type Role = 'coordinator' | 'participant';

describe('when a board is killed', function () {
  this.timeout(600_000);
  let boards: Boards;
  let picture: Uint8Array;
  let expected: string;
  let undisturbedMs: number;
  let shortestMs: number;

  before(async () => {
    picture = await photograph();
    boards = await Boards.start(BOARDS);
    await boards.formMesh();
    const first = await ask(boards.boards[0]!, picture);
    await boards.spreadModel(first.report.modelId);
    const replies: Reply[] = [];
    for (let turn = 0; turn < WARM_RUNS + TIMED_RUNS; turn++) {
      replies.push(await ask(boards.boards[turn % BOARDS]!, picture));
    }
    expected = replies[0]!.outputs[0]!.npy;
    assert.ok(replies.every((reply) => reply.outputs[0]!.npy === expected));
    const times = replies.slice(WARM_RUNS).map((reply) => reply.report.elapsedMs);
    undisturbedMs = Math.max(...times);
    shortestMs = Math.min(...times);
  });

  after(async () => {
    assert.equal(await boards.stop(), 0, 'boards that had to be killed at the end');
  });

  function victimFor(role: Role, entry: Board, coordinator: string): Board | undefined {
    if (role === 'coordinator') return coordinator === entry.id ? undefined : boards.byId(coordinator);
    return boards.boards.find((board) => board !== entry && board.id !== coordinator);
  }

  /** Kills a board some time after the election. Undefined where the request was not hit. */
  async function killDuring(role: Role, afterMs: number, turn: number): Promise<Reply | undefined> {
    const entry = boards.boards[turn % boards.boards.length]!;
    let victim: Board | undefined;
    const seen = { isHit: false };
    let timer: NodeJS.Timeout | undefined;
    const reply = await ask(entry, picture, (coordinator) => {
      victim = victimFor(role, entry, coordinator);
      const doomed = victim;
      if (doomed === undefined) return;
      timer = setTimeout(() => {
        seen.isHit = true;
        boards.kill(doomed);
      }, afterMs);
    });
    clearTimeout(timer);
    if (victim === undefined || !seen.isHit) return undefined;
    await boards.revive(victim);
    await boards.formMesh();
    for (let turn = 0; turn < REWARM_RUNS; turn++) await ask(boards.boards[turn % BOARDS]!, picture);
    return reply;
  }

  for (const role of ['coordinator', 'participant'] as const) {
    it(`as ${role}, at ${MOMENTS} moments, the same answer comes, by the median in twice the time and a second`, async () => {
      const times: number[] = [];
      for (let turn = 0; turn < MAX_TRIES && times.length < MOMENTS; turn++) {
        const moment = (times.length + 0.5) / MOMENTS;
        const reply = await killDuring(role, moment * shortestMs, turn);
        if (reply === undefined) continue;
        assert.equal(reply.outputs[0]!.npy, expected, `another answer after a kill at ${moment} of the request`);
        if (role === 'coordinator') assert.ok(reply.report.term > 1, 'a new coordinator was elected');
        times.push(reply.report.elapsedMs);
      }
      assert.equal(times.length, MOMENTS, 'requests that were hit');
      const limitMs = 2 * undisturbedMs + ALLOWANCE_MS;
      const rounded = times.map((ms) => Math.round(ms));
      console.log(`      undisturbed ${Math.round(undisturbedMs)} ms, with a ${role} killed ${rounded.join(', ')} ms`);
      // A machine that does something else for a second must not fail the test: half of them have to keep to the limit.
      const median = times.toSorted((a, b) => a - b)[MOMENTS / 2]!;
      assert.ok(median <= limitMs, `median ${median} ms, allowed ${limitMs} ms`);
      assert.ok(Math.max(...times) <= STUCK_MS, `slowest ${Math.max(...times)} ms`);
    });
  }
});
