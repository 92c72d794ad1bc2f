/**
 * A real peer that is asked 2,000 times at once, by clients that take no for an answer: it answers or refuses each of them,
 * stays within bounds, and is well afterwards.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { memoryBytes } from '../../bench/measure/threads.ts';
import { addressOfClient } from '../../bench/overload/crowd.ts';
import { Boards } from '../../demo/boards.ts';

const CLIENTS = 2_000;
/** What the process may take beyond what it took before. */
const MAX_GROWTH_BYTES = 256 * 2 ** 20;
/** At most so many run and wait with the defaults: four and 64. */
const MOST_AT_ONCE = 68;

interface Reply {
  readonly status: number;
  readonly retryAfter: number;
  readonly body: string;
}

describe('a peer that is asked far more than it can do', function () {
  this.timeout(300_000);
  let boards: Boards;
  const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });

  before(async () => {
    boards = await Boards.start(1);
  });

  after(async () => {
    agent.destroy();
    assert.equal(await boards.stop(), 0, 'boards that had to be killed at the end');
  });

  const request = JSON.stringify({
    inputs: [
      {
        name: 'image',
        datatype: 'FP32',
        shape: [1, 1, 28, 28],
        data: Array.from({ length: 28 * 28 }, (_, index) => ((index * 37) % 19 > 9 ? 1 : 0)),
      },
    ],
  });

  const infer = (localAddress = '127.0.0.1'): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const url = new URL('/v2/models/lenet5/infer', boards.boards[0]!.url);
      const options = { method: 'POST', agent, localAddress, headers: { 'content-type': 'application/json' } };
      const sent = http.request(url, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: Number(response.headers['retry-after']),
            body: Buffer.concat(chunks).toString(),
          }),
        );
      });
      sent.on('error', reject);
      sent.end(request);
    });

  const memory = (when: 'now' | 'peak'): Promise<number> => memoryBytes(boards.boards[0]!.process.pid!, when);

  const outputsOf = ({ body }: Reply): unknown => (JSON.parse(body) as { readonly outputs: unknown }).outputs;

  it(`answers or refuses each of ${CLIENTS}, in bounds, and answers as before when they have gone`, async () => {
    const first = await infer();
    assert.equal(first.status, 200, first.body);
    for (let turn = 0; turn < 20; turn++) await infer();
    const before = await memory('now');
    const replies = await Promise.all(Array.from({ length: CLIENTS }, (_, index) => infer(addressOfClient(index))));
    const answered = replies.filter(({ status }) => status === 200);
    const refused = replies.filter(({ status }) => status === 503);
    assert.equal(answered.length + refused.length, CLIENTS, 'every client got an answer or a refusal');
    assert.ok(answered.length >= 8, `${answered.length} were answered`);
    assert.ok(refused.length > 0, 'there were more than it could take');
    for (const reply of answered) assert.deepEqual(outputsOf(reply), outputsOf(first));
    for (const { retryAfter, body } of refused) {
      assert.equal((JSON.parse(body) as { readonly code: string }).code, 'OVERLOADED');
      assert.ok(Number.isInteger(retryAfter) && retryAfter >= 1 && retryAfter <= 30, `Retry-After ${retryAfter}`);
      const { details } = JSON.parse(body) as {
        readonly details: { readonly waiting: number; readonly running: number };
      };
      assert.ok(details.waiting + details.running <= MOST_AT_ONCE);
    }
    const growth = (await memory('peak')) - before;
    console.log(
      `      ${answered.length} answered, ${refused.length} refused, ${(growth / 2 ** 20).toFixed(0)} MiB more at the peak`,
    );
    assert.ok(growth <= MAX_GROWTH_BYTES, `${growth} bytes more`);
    const again = await infer();
    assert.equal(again.status, 200, again.body);
    assert.deepEqual(outputsOf(again), outputsOf(first));
  });

  it('answers a modest client beside one that asks without end', async () => {
    const flood = { isOn: true, refusals: 0 };
    const greedy = Array.from({ length: 200 }, async () => {
      while (flood.isOn) if ((await infer('127.0.0.2')).status === 503) flood.refusals += 1;
    });
    for (let turn = 0; turn < 20; turn++) {
      const { status, body } = await infer('127.0.0.1');
      assert.equal(status, 200, body);
    }
    flood.isOn = false;
    await Promise.all(greedy);
    assert.ok(flood.refusals > 0, 'the greedy client asked for more than there was');
  });
});
