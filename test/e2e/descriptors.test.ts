/**
 * A real peer that may open few files, and whose ports are knocked at until it has none left: it lives, says so and what to do,
 * and is as before when they have gone.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import http from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startBoard, type Board } from '../../bench/emulation/board.ts';

/** Enough to start with, and little beyond. */
const LIMIT = 128;
const ENOUGH_CONNECTIONS = 4 * LIMIT;
const DEADLINE_MS = 60_000;
const POLL_MS = 100;

interface Health {
  readonly level: string;
  readonly problems: readonly string[];
}

describe('a peer whose file descriptors are used up', function () {
  this.timeout(240_000);
  let folder: string;
  let board: Board;
  const knocking = new Set<Socket>();
  /** Connected before: nothing new can be opened to the peer meanwhile. */
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-descriptors-'));
    board = await startBoard(
      {
        name: 'board',
        mesh: `descriptors-${process.pid}`,
        dataFolder: folder,
        api: '127.0.0.1:0',
        macsPerSecond: 5e9,
        memoryBudgetBytes: 2 ** 29,
        prefix: ['sh', '-c', `ulimit -n ${LIMIT}; exec "$@"`, 'sh'],
      },
      AbortSignal.timeout(DEADLINE_MS),
    );
  });

  after(async () => {
    agent.destroy();
    for (const socket of knocking) socket.destroy();
    await board.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const ask = (path: string, body?: object): Promise<{ readonly status: number; readonly text: string }> =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const method = body === undefined ? 'GET' : 'POST';
      const request = http.request(new URL(path, board.url), { agent, method, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', reject);
      });
      request.on('error', reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const getJson = async <Answer>(path: string): Promise<Answer> => JSON.parse((await ask(path)).text) as Answer;
  const health = (): Promise<Health> => getJson<Health>('/tilemesh/v1/health');

  const infer = async (): Promise<unknown> => {
    const data = Array.from({ length: 28 * 28 }, (_, index) => (index % 5) / 5);
    const inputs = [{ name: 'image', datatype: 'FP32', shape: [1, 1, 28, 28], data }];
    const { status, text } = await ask('/v2/models/lenet5/infer', { inputs });
    assert.equal(status, 200, text);
    return (JSON.parse(text) as { readonly outputs: unknown }).outputs;
  };

  const used = async (): Promise<number> => (await readdir(`/proc/${board.pid}/fd`)).length;

  async function until<Value>(look: () => Promise<Value>, isThere: (value: Value) => boolean): Promise<Value> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const value = await look();
      if (isThere(value)) return value;
      if (performance.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${JSON.stringify(value)}`);
      await setTimeout(POLL_MS);
    }
  }

  function knock(port: number, localAddress: string): void {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    knocking.add(socket);
    const forget = (): void => void knocking.delete(socket);
    socket.on('error', forget).on('close', forget).resume();
  }

  it('lives, says so with what to do, and serves again when those who knock have gone', async () => {
    const outputs = await infer();
    const before = await used();
    const { peers } = await getJson<{ readonly peers: readonly { readonly addresses: readonly string[] }[] }>(
      '/tilemesh/v1/peers',
    );
    const meshPort = Number(/\/tcp\/(\d+)/.exec(peers[0]!.addresses[0]!)?.[1]);
    const ports = [Number(board.url.port), meshPort];
    // Those that are turned away are followed by others, each from an address of its own.
    let knocks = 0;
    let most = before;
    const isUsedUp = async (): Promise<boolean> => {
      for (let count = 0; count < LIMIT; count++)
        knock(ports[knocks % 2]!, `127.0.${2 + (knocks % 200)}.${1 + (knocks++ % 199)}`);
      most = Math.max(most, await used());
      return (
        knocks >= ENOUGH_CONNECTIONS && (await health()).problems.some((text) => text.includes('file descriptors'))
      );
    };
    await until(isUsedUp, Boolean);
    assert.ok(most >= 0.9 * LIMIT, `${most} of ${LIMIT} were in use at the most`);
    const { level, problems } = await health();
    assert.notEqual(level, 'fine');
    assert.match(problems.join(), /of 128 file descriptors are in use: raise the limit \(ulimit -n/);
    assert.deepEqual(await infer(), outputs, 'whoever is connected is still answered');
    for (const socket of knocking) socket.destroy();
    await until(used, (count) => count <= before + 8);
    await until(health, (own) => own.level === 'fine');
    const logs = (await ask('/tilemesh/v1/logs')).text;
    assert.match(logs, /file descriptors are nearly used up: raise the limit/);
    agent.destroy();
    assert.deepEqual(await infer(), outputs, 'a new connection is taken');
    console.log(`      ${before} of ${LIMIT} descriptors at first, ${most} at the most, after ${knocks} connections`);
  });
});
