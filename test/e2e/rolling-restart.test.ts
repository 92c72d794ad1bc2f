/**
 * Real processes: four boards are stopped by SIGTERM and started again, one after the other, while clients ask all of them.
 * Clients go to another board when one refuses; no request that a board took is cut off, and every answer is the right one.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { Boards, type Board } from '../../demo/boards.ts';

const BOARDS = 4;
const CLIENTS = 8;
const REQUEST_TIMEOUT_MS = 60_000;
/** As long as a client leaves a board alone that did not want its request. */
const AVOID_MS = 3_000;
const EXIT_MS = 40_000;
/** Requests between one restart and the next. */
const CALM = 40;

type Outcome =
  | { readonly kind: 'answered'; readonly outputs: string }
  | { readonly kind: 'refused' }
  | { readonly kind: 'failed'; readonly detail: string };

const INPUT = JSON.stringify({
  name: 'image',
  datatype: 'FP32',
  shape: [1, 1, 28, 28],
  data: Array.from({ length: 28 * 28 }, (_, index) => ((index * 37) % 19 > 9 ? 1 : 0)),
});

/** One request over a connection of its own. */
function ask(board: Board, id: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      resolve(
        error.code === 'ECONNREFUSED'
          ? { kind: 'refused' }
          : { kind: 'failed', detail: `${board.name}: ${error.code ?? ''} ${error.message}` },
      );
    const options = {
      method: 'POST',
      agent: false,
      timeout: REQUEST_TIMEOUT_MS,
      headers: { 'content-type': 'application/json' },
    } as const;
    const request = http.request(new URL('/v2/models/lenet5/infer', board.url), options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', failed);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        if (response.statusCode === 503) resolve({ kind: 'refused' });
        else if (response.statusCode !== 200) resolve({ kind: 'failed', detail: `${response.statusCode} ${body}` });
        else {
          const { outputs } = JSON.parse(body) as { readonly outputs: unknown };
          resolve({ kind: 'answered', outputs: JSON.stringify(outputs) });
        }
      });
    });
    request.on('error', failed);
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.end(`{"id":"${id}","parameters":{"parallelism":2},"inputs":[${INPUT}]}`);
  });
}

describe('boards that are restarted one after the other under load', function () {
  this.timeout(600_000);
  let boards: Boards;
  let expected = '';

  before(async () => {
    boards = await Boards.start(BOARDS);
    await boards.formMesh();
    for (const board of boards.boards) {
      const outcome = await ask(board, randomBytes(16).toString('hex'));
      assert.ok(outcome.kind === 'answered', JSON.stringify(outcome));
      if (expected === '') expected = outcome.outputs;
      assert.equal(outcome.outputs, expected);
    }
  });

  after(async () => {
    assert.equal(await boards.stop(), 0, 'boards that had to be killed at the end');
  });

  it('lose no request', async () => {
    const traffic = { isOn: true, answered: 0, refused: 0 };
    const failures: string[] = [];
    const avoided = new Map<string, number>();
    const client = async (first: number): Promise<void> => {
      for (let turn = first; traffic.isOn; turn++) {
        const id = randomBytes(16).toString('hex');
        for (let tries = 0; ; tries++) {
          const usable = boards.boards.filter(({ url }) => (avoided.get(url.href) ?? 0) < performance.now());
          const board = usable[(turn + tries) % usable.length];
          if (board === undefined) {
            await setTimeout(50);
            continue;
          }
          const outcome = await ask(board, id);
          if (outcome.kind === 'refused') {
            traffic.refused += 1;
            avoided.set(board.url.href, performance.now() + AVOID_MS);
            continue;
          }
          if (outcome.kind === 'failed') failures.push(outcome.detail);
          else {
            traffic.answered += 1;
            if (outcome.outputs !== expected) failures.push(`another answer from ${board.name}`);
          }
          break;
        }
      }
    };
    const clients = Array.from({ length: CLIENTS }, (_, index) => client(index));
    const moreAnswers = async (): Promise<void> => {
      const goal = traffic.answered + CALM;
      while (traffic.answered < goal && failures.length === 0) await setTimeout(20);
    };
    try {
      for (const board of boards.boards.slice()) {
        await moreAnswers();
        const exit = once(board.process, 'exit', { signal: AbortSignal.timeout(EXIT_MS) });
        board.process.kill('SIGTERM');
        const [code, signal] = (await exit) as [number | null, string | null];
        assert.deepEqual([code, signal], [0, null], `${board.name} drained and ended well`);
        boards.boards = boards.boards.filter((other) => other !== board);
        await boards.revive(board);
        await boards.formMesh();
      }
      await moreAnswers();
    } finally {
      traffic.isOn = false;
      await Promise.all(clients);
    }
    console.log(`      ${traffic.answered} answered, ${traffic.refused} refused and asked elsewhere`);
    assert.deepEqual(failures, []);
    assert.ok(traffic.answered >= CALM * (BOARDS + 1));
    assert.ok(traffic.refused > 0, 'a board that drains refuses');
  });

  it('end at once at the second signal, whatever they still have in hand', async () => {
    const [board] = boards.boards;
    const upload = http.request(new URL('/v2/models/lenet5/infer', board!.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': '1000' },
    });
    upload.on('error', () => undefined);
    upload.write('{');
    await setTimeout(500);
    const exit = once(board!.process, 'exit', { signal: AbortSignal.timeout(EXIT_MS) });
    board!.process.kill('SIGTERM');
    await setTimeout(1_500);
    assert.equal(board!.process.exitCode, null, 'it waits for what it has in hand');
    board!.process.kill('SIGTERM');
    const [code] = (await exit) as [number | null];
    assert.equal(code, 130);
    boards.boards = boards.boards.filter((other) => other !== board);
  });
});
