import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MeshError } from '../../../src/core/errors.ts';
import { openMesh } from '../../support/open-mesh.ts';
import { createBoard, type Board, type BoardOptions } from './board.ts';

let boards: Board[] = [];

async function board(name: string, options: BoardOptions = {}): Promise<Board> {
  const made = await createBoard(name, options);
  boards.push(made);
  await made.start();
  return made;
}

/** Resolves when the condition holds for the membership, checked whenever it changes; rejects after `limitMs`. */
function until({ membership }: Board, what: string, isTrue: () => boolean, limitMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => reject(new Error(`not within ${limitMs} ms: ${what}`)), limitMs);
  const check = (): void => {
    if (isTrue()) resolve(undefined);
  };
  const stop = membership.on('change', check);
  check();
  return promise.finally(() => {
    clearTimeout(timer);
    stop();
  });
}

const sees = (viewer: Board, count: number, limitMs: number): Promise<void> =>
  until(viewer, `${count} alive`, () => viewer.membership.view().members.length === count, limitMs);

const addressOf = ({ host }: Board): string => host.getMultiaddrs()[0]!.toString();

/** What multicast needs and this machine may lack. */
async function multicastProblem(): Promise<string | null> {
  const probe = await board('probe', { mdns: true, mesh: 'probe' });
  return probe.host.services.discovery.multicastState === 'working' ? null : 'multicast does not work on this machine';
}

describe('mesh/membership', function () {
  this.timeout(30_000);

  afterEach(async () => {
    await Promise.all(boards.map(({ membership }) => membership.stop()));
    await Promise.all(boards.map(async ({ host }) => host.stop()));
    boards = [];
  });

  it('lets four peers find each other by multicast, and two meshes never mix', async function () {
    const problem = await multicastProblem();
    if (problem !== null) {
      console.log(`      skipped: ${problem}`);
      return this.skip();
    }
    const one = await Promise.all(['a', 'b', 'c', 'd'].map((name) => board(name, { mdns: true, mesh: 'one' })));
    const two = await Promise.all(['e', 'f'].map((name) => board(name, { mdns: true, mesh: 'two' })));
    const startedMs = performance.now();
    await Promise.all([...one.map((viewer) => sees(viewer, 4, 5_000)), ...two.map((viewer) => sees(viewer, 2, 5_000))]);
    console.log(`      all know each other after ${(performance.now() - startedMs).toFixed(0)} ms`);
    assert.equal(new Set(one.map(({ membership }) => membership.view().hash)).size, 1);
    for (const viewer of [...one, ...two]) {
      const meshes = new Set(viewer.membership.members().map(({ heartbeat }) => heartbeat?.mesh));
      assert.equal(meshes.size, 1);
    }
  });

  it('notices within half a second that a peer left, and that a peer broke off', async () => {
    const first = await board('a');
    const rest = await Promise.all(['b', 'c', 'd'].map((name) => board(name, { bootstrap: [addressOf(first)] })));
    await sees(first, 4, 5_000);

    const [leaving, breaking] = rest as [Board, Board, Board];
    const told: string[] = [];
    first.membership.on('lost', (peer, cause) => told.push(`lost ${peer} ${cause}`));
    first.membership.on('down', (peer, reason) => told.push(`down ${peer} ${reason}`));

    await leaving.membership.stop();
    await sees(first, 3, 500);
    assert.deepEqual(told.splice(0), [`down ${leaving.membership.self} left`]);

    await breaking.host.stop();
    await sees(first, 2, 500);
    assert.deepEqual(told.splice(0), [`lost ${breaking.membership.self} disconnected`]);
    await until(first, 'failed', () => first.membership.stateOf(breaking.membership.self) === 'failed', 2_500);
    assert.deepEqual(told, [`down ${breaking.membership.self} failed`]);
  });

  it('connects again after every connection was cut', async () => {
    const first = await board('a');
    const second = await board('b', { bootstrap: [addressOf(first)] });
    await Promise.all([sees(first, 2, 5_000), sees(second, 2, 5_000)]);
    for (const connection of first.host.getConnections()) connection.abort(new Error('cut'));
    await Promise.all([sees(first, 1, 500), sees(second, 1, 500)]);
    await Promise.all([sees(first, 2, 5_000), sees(second, 2, 5_000)]);
  });

  it('notices at once that a process was killed, in seconds that one froze, and takes it back when it thaws', async () => {
    const first = await board('a');
    const [killed, frozen] = [await spawnBoard(first), await spawnBoard(first)];
    try {
      await sees(first, 3, 10_000);
      const states = () => first.membership.members().map(({ state }) => state);

      const killedMs = performance.now();
      const lost = Promise.withResolvers<number>();
      const stop = first.membership.on('lost', () => lost.resolve(performance.now() - killedMs));
      killed.kill('SIGKILL');
      await sees(first, 2, 500);
      console.log(`      kill noticed after ${(await lost.promise).toFixed(0)} ms`);
      stop();

      const frozenMs = performance.now();
      frozen.kill('SIGSTOP');
      await until(first, 'both failed', () => states().filter((state) => state === 'failed').length === 2, 5_000);
      console.log(`      freeze noticed after ${(performance.now() - frozenMs).toFixed(0)} ms`);

      const thawedMs = performance.now();
      frozen.kill('SIGCONT');
      await sees(first, 2, 8_000);
      console.log(`      back ${(performance.now() - thawedMs).toFixed(0)} ms after the thaw`);
    } finally {
      for (const child of [killed, frozen]) child.kill('SIGKILL');
    }
  });

  it('finds a peer that starts after those that look for it, and is not confused by its own address', async () => {
    const port = await freePort();
    const address = `127.0.0.1:${port}`;
    const early = await board('a', { bootstrap: [address] });
    const late = await board('b', { bootstrap: [address], port });
    await Promise.all([sees(early, 2, 8_000), sees(late, 2, 8_000)]);
  });

  for (const [what, options] of [
    ['another name of the mesh', { mesh: 'other' }],
    ['an incompatible version', { version: '9.0.0' }],
  ] as const) {
    it(`does not work with a peer of ${what}, and says why`, async () => {
      const trust = await openMesh('test');
      const first = await board('a', { trust });
      const stranger = await board('b', { ...options, trust, bootstrap: [addressOf(first)] });
      const status = () => first.membership.members().find(({ peer }) => peer === stranger.membership.self);
      await until(first, 'incompatible', () => status()?.state === 'incompatible', 5_000);
      assert.match(status()?.detail ?? '', /mesh 'other'|version 9\.0\.0/);
      assert.equal(first.membership.view().members.length, 1);
    });
  }

  it('tells others at once that it drains', async () => {
    const first = await board('a');
    const second = await board('b', { bootstrap: [addressOf(first)] });
    await Promise.all([sees(first, 2, 5_000), sees(second, 2, 5_000)]);
    second.membership.setLocal({ state: 'draining' });
    await sees(first, 1, 500);
    assert.equal(first.membership.stateOf(second.membership.self), 'draining');
  });

  it('says what to do when its port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { readonly port: number };
    try {
      await assert.rejects(
        board('a', { port }),
        (error) => error instanceof MeshError && error.code === 'PORT_IN_USE' && error.message.includes('--listen'),
      );
    } finally {
      server.close();
    }
  });
});

/** A board in a process of its own that knows `other`, once it listens. */
async function spawnBoard(other: Board): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('board.ts', import.meta.url));
  const child = spawn(process.execPath, [script, addressOf(other)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(15_000) });
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, 'close');
  return port;
}
