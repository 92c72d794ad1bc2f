/** The yardstick itself: two emulated boards are measured, and nothing of them is left, also when it is interrupted. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ClusterResult } from '../../bench/cluster/measure.ts';
import { ownerOf } from '../../bench/emulation/ownership.ts';
import { controllerFolders, emulationObstacle, runProgram } from '../../bench/emulation/system.ts';

const MAIN = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
const ARGUMENTS = 'cluster --peers 2 --model lenet5 --cpu 1/4 --requests 3 --parallelism 2 --json'.split(' ');
const BOARDS = 2;

/** Names of everything that a run of this process has made and not removed. */
async function belongings(pid: number): Promise<readonly string[]> {
  const namespaces = (await runProgram('ip', 'netns', 'list')).split('\n').map((line) => line.split(' ')[0]!);
  const folders = [tmpdir(), '/sys/class/net', ...Object.values(await controllerFolders())];
  const names = [...namespaces, ...(await Promise.all(folders.map((folder) => readdir(folder)))).flat()];
  return names.filter((name) => ownerOf(name) === pid);
}

const start = (...args: readonly string[]) =>
  spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });

describe('the benchmark of emulated boards', function () {
  this.timeout(300_000);

  before(async function () {
    const obstacle = await emulationObstacle();
    if (obstacle === undefined) return;
    console.log(`      skipped: ${obstacle}`);
    this.skip();
  });

  it('measures two boards, checks their answers, and leaves nothing behind', async () => {
    const bench = start(...ARGUMENTS);
    const chunks: Buffer[] = [];
    bench.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const [code] = (await once(bench, 'close')) as [number | null];
    assert.equal(code, 0);
    const result = JSON.parse(Buffer.concat(chunks).toString()) as ClusterResult;
    assert.equal(result.schema, 'tilemesh.bench.cluster/1');
    assert.equal(result.requests.length, 3);
    assert.equal(result.boards.length, BOARDS);
    // Every board computed something, and what it owed the other went over its cable.
    for (const board of result.boards) {
      assert.ok(board.tiles > 0 && board.kernelCpuMs > 0, board.name);
      assert.ok(board.receivedBytes > board.haloBytes, board.name);
    }
    assert.ok(result.answers.checked >= result.requests.length);
    assert.ok(result.answers.largestDifference <= result.answers.tolerance);
    assert.ok(result.bytes.onCables > result.bytes.peerToPeer);
    assert.ok(result.bytes.peerToPeer > 0);
    assert.ok(result.account.boundMs < result.latencyMs.median);
    assert.deepEqual(await belongings(bench.pid!), []);
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`leaves nothing behind after ${signal}`, async () => {
      const bench = start(...ARGUMENTS);
      const exit = once(bench, 'close');
      const isRunning = (): boolean => bench.exitCode === null;
      while (isRunning() && !(await belongings(bench.pid!)).includes(`tilemesh-bench-${bench.pid}-${BOARDS}`)) {
        await setTimeout(100);
      }
      bench.kill(signal);
      assert.deepEqual((await exit)[0], 130);
      assert.deepEqual(await belongings(bench.pid!), []);
    });
  }

  it('removes what a killed run has left, at the next start', async () => {
    const killed = start(...ARGUMENTS);
    while (!(await belongings(killed.pid!)).includes(`tilemesh-bench-${killed.pid}-${BOARDS}`)) await setTimeout(100);
    killed.kill('SIGKILL');
    await once(killed, 'close');
    assert.notDeepEqual(await belongings(killed.pid!), []);
    const next = start(...ARGUMENTS);
    const exit = once(next, 'close');
    while (next.exitCode === null && (await belongings(killed.pid!)).length > 0) await setTimeout(100);
    next.kill('SIGINT');
    await exit;
    assert.deepEqual(await belongings(killed.pid!), []);
    assert.deepEqual(await belongings(next.pid!), []);
  });
});
