/** The real command line in processes of its own, against real boards. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Boards, type Board } from '../../demo/boards.ts';
import { photograph } from '../../demo/pictures.ts';
import type { RequestTrace } from '../../src/core/trace/trace.ts';

const BIN = fileURLToPath(new URL('../../bin/tilemesh.js', import.meta.url));
const BOARDS = 3;
const PATIENCE_MS = 60_000;

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const tilemesh = (board: Board, ...args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    const env = { ...process.env, TILEMESH_API: board.url.origin, NO_COLOR: '1' };
    execFile(process.execPath, [BIN, ...args], { env, timeout: PATIENCE_MS }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

describe('tilemesh, asked about real boards', function () {
  this.timeout(240_000);
  let boards: Boards;
  let folder: string;
  let first: Board;
  let second: Board;
  let third: Board;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-e2e-'));
    boards = await Boards.start(BOARDS);
    await boards.formMesh();
    [first, second, third] = boards.boards as [Board, Board, Board];
    const { code, err } = await tilemesh(first, 'run', 'language', 'Bonjour tout le monde', '--parallelism', '3');
    assert.deepEqual([code, err], [0, '']);
  });
  after(async () => {
    await boards.stop();
    await rm(folder, { recursive: true });
  });

  it('tells at every board the same of the mesh and its last request', async () => {
    const asked = await Promise.all(boards.boards.map((board) => tilemesh(board, 'ps', '--all', '--plain')));
    const rows = asked.map(({ out }) => out.split('\t').slice(0, 3).join(' '));
    assert.match(rows[0]!, /^[0-9a-f]{32} language answered$/);
    assert.deepEqual(new Set(rows).size, 1);
    const health = await tilemesh(second, 'health');
    assert.deepEqual(health, { code: 0, out: 'fine: 3 of 3 peers alive\n', err: '' });
  });

  it('writes the trace of a request that another board answered', async () => {
    const [chrome, svg] = [join(folder, 'trace.json'), join(folder, 'trace.svg')];
    const { code, out } = await tilemesh(third, 'trace', 'last', '--json', '--output', chrome, '--svg', svg);
    assert.equal(code, 0);
    const trace = JSON.parse(out) as RequestTrace;
    assert.deepEqual([trace.collectedBy, trace.entry], [third.id, first.id]);
    const { traceEvents } = JSON.parse(await readFile(chrome, 'utf8')) as { traceEvents: readonly { ph: string }[] };
    const pieces = trace.attempts.at(-1)!.plan!.pieces.length;
    assert.equal(traceEvents.filter(({ ph }) => ph === 'f').length, pieces);
    assert.match(await readFile(svg, 'utf8'), /board-1[\s\S]*board-2|board-2[\s\S]*board-1/);
  });

  it('shows a request while it is in flight', async () => {
    const request = fetch(new URL('/tilemesh/v1/models/alexnet/run', first.url), {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(await photograph()),
    });
    const deadlineMs = performance.now() + PATIENCE_MS;
    let seen = '';
    while (seen === '' && performance.now() < deadlineMs) seen = (await tilemesh(second, 'ps', '--plain')).out;
    assert.match(seen, /^[0-9a-f]{32}\talexnet\trunning\t/);
    assert.equal((await request).status, 200);
  });

  it('removes a model from one board, which does not fetch it again by itself, and pulls it back', async () => {
    const bytesAt = async (): Promise<number> => {
      const { out } = await tilemesh(second, 'models', '--json');
      const { models } = JSON.parse(out) as { models: readonly { name: string; bytesHeld: number }[] };
      return models.find(({ name }) => name === 'language')!.bytesHeld;
    };
    assert.equal((await tilemesh(second, 'pull', 'language')).code, 0);
    const whole = await bytesAt();
    assert.ok(whole > 0);
    const { code, out } = await tilemesh(second, 'rm', 'language');
    assert.equal(code, 0, out);
    assert.match(out, /^language is removed here, .* are free; \d other peers? holds? it still\n$/);
    for (let look = 0; look < 4; look++) {
      assert.equal(await bytesAt(), 0);
      await setTimeout(500);
    }
    assert.match((await tilemesh(second, 'pull', 'language')).out, /^language is here, all /);
    assert.equal(await bytesAt(), whole);
    assert.equal((await tilemesh(second, 'rm', 'nothing')).code, 1);
  });

  it('inspects and pings a board by its name, and follows what happens', async () => {
    const inspected = await tilemesh(first, 'peer', 'inspect', 'board-3');
    assert.match(inspected.out, /^name {8}board-3$/m);
    assert.match(inspected.out, /^board-1 +alive +yes /m);
    assert.match((await tilemesh(first, 'peer', 'ping', 'board-2')).out, /\nleast .* median .* most .* ms\n$/);
    assert.match((await tilemesh(first, 'events', '--plain')).out, /\tmember-up\tboard-/);
    assert.match((await tilemesh(first, 'peer', 'ping', 'board-9')).err, /did you mean board-\d\?/);
  });

  it('draws live on a pseudo-terminal and gives it back', async function () {
    const command = `${process.execPath} ${BIN} top --interval 0.3 --api ${first.url.origin}`;
    const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
    let out = '';
    let hasPressed = false;
    child.stdout.on('data', (bytes: Buffer) => {
      out += bytes.toString();
      if (hasPressed || out.split('\x1b[H').length <= 3) return;
      hasPressed = true;
      child.stdin.write('q');
    });
    const code = await new Promise<number | string>((resolve) => {
      child.once('error', ({ message }) => resolve(message));
      child.once('close', (exitCode) => resolve(exitCode ?? 'killed'));
    });
    if (typeof code === 'string' && code.includes('ENOENT')) {
      console.log('      skipped: "script" (package bsdutils) is not installed');
      this.skip();
    }
    assert.equal(code, 0);
    assert.match(out, /board-2/);
    assert.equal(out.slice(-14), '\x1b[?25h\x1b[?1049l');
  });

  it('says by its exit code that a board is gone', async () => {
    boards.kill(third);
    const deadlineMs = performance.now() + PATIENCE_MS;
    let outcome = await tilemesh(first, 'health');
    while (outcome.code === 0 && performance.now() < deadlineMs) outcome = await tilemesh(first, 'health');
    assert.equal(outcome.code, 1, outcome.out);
    assert.match(outcome.out, /^degraded: 2 of 3 peers alive; board-3 is (suspect|failed) \(not heard for \d+ s\)\n$/);
    const gone = await tilemesh(third, 'health');
    assert.deepEqual([gone.code, gone.out], [3, '']);
    assert.match(gone.err, /start one with "npx tilemesh up"/);
  });
});
