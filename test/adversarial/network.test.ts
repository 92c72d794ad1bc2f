/**
 * A mesh of three boards on one network with somebody who means ill, each in a network namespace of its own: the boards go on
 * answering, rightly and in time, whatever the other does.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { emulationObstacle } from '../../bench/emulation/system.ts';
import { Boards, ended, firstLine, stopped, type Up } from './boards.ts';
import type { Orders } from './hostile-process.ts';

const HOSTILE = fileURLToPath(new URL('hostile-process.ts', import.meta.url));
const OUTSIDER = fileURLToPath(new URL('outsider.ts', import.meta.url));
const SECRET = 'the secret of this mesh';
const TOKEN = 'the-token-of-this-mesh';
const BOARDS = [1, 2, 3] as const;
const HONEST = BOARDS.length;
/** Where whoever means ill is. */
const OTHER = HONEST + 1;
/** A board that is started last, and stopped. */
const FAR = OTHER + 1;
const PORT = 4001;
const RELAY_PORT = 4002;
/** Longer than somebody is believed who says that he computes: 30 s. */
const DEADLINE_MS = 60_000;
/** A coordinator that does nothing holds a request for three quarters of its time. */
const SHORT_DEADLINE_MS = 30_000;

const image = Array.from({ length: 784 }, (_, index) => Math.abs(Math.sin(index / 9)));

interface Member {
  readonly id: string;
  readonly state: string;
}

describe('a mesh on a network with somebody who means ill', function () {
  this.timeout(240_000);
  let boards: Boards;
  let cleanUp = (): Promise<void> => Promise.resolve();
  let expected: readonly number[];
  let addresses: readonly string[];
  const up: Up[] = [];

  const url = (board: number, path: string): string => `http://${boards.network.address(board)}:8470${path}`;
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };

  async function ask(board: number, deadlineMs = DEADLINE_MS, isVerified = false): Promise<readonly number[]> {
    const response = await fetch(url(board, '/v2/models/lenet5/infer'), {
      method: 'POST',
      headers,
      body: JSON.stringify({
        parameters: { parallelism: OTHER, deadline_ms: deadlineMs, ...(isVerified ? { verify: 'all' } : {}) },
        inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 1, 28, 28], data: image }],
      }),
      signal: AbortSignal.timeout(deadlineMs),
    });
    const answer = (await response.json()) as { readonly outputs?: readonly { readonly data: readonly number[] }[] };
    assert.equal(response.status, 200, JSON.stringify(answer));
    return answer.outputs![0]!.data;
  }

  async function members(board: number): Promise<readonly Member[]> {
    const response = await fetch(url(board, '/tilemesh/v1/peers'), {
      headers,
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    return ((await response.json()) as { readonly peers: readonly Member[] }).peers;
  }

  async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
    for (const deadlineMs = performance.now() + 60_000; !(await isTrue());) {
      assert.ok(performance.now() < deadlineMs, `not in time: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  const areAllHere = async (board: number): Promise<boolean> => {
    const honest = new Set(up.map(({ ready }) => ready.id));
    const seen = await members(board);
    return seen.filter(({ id, state }) => honest.has(id) && state === 'alive').length === HONEST;
  };

  /** Through each board at the same time. */
  async function assertServed(deadlineMs?: number, isVerified?: boolean): Promise<void> {
    const answers = await Promise.all(BOARDS.map((board) => ask(board, deadlineMs, isVerified)));
    for (const answer of answers) {
      assert.equal(answer.length, expected.length);
      for (const [index, value] of answer.entries()) assert.ok(Math.abs(value - expected[index]!) <= 1e-4);
    }
    for (const board of BOARDS) assert.ok(await areAllHere(board), `board ${board} has lost another`);
  }

  const orders = (order: Pick<Orders, 'act' | 'conduct'>, name: string): Orders => ({
    ...order,
    folder: `${boards.folderOf(OTHER)}-${name}`,
    mesh: 'default',
    secret: SECRET,
    address: boards.network.address(OTHER),
    bootstrap: addresses,
    others: HONEST,
  });

  before(async function () {
    const obstacle = await emulationObstacle();
    if (obstacle !== undefined) {
      console.log(`      skipped: ${obstacle}`);
      this.skip();
    }
    boards = await Boards.create(FAR, {
      TILEMESH_MESH_SECRET: SECRET,
      TILEMESH_API_TOKEN: TOKEN,
      TILEMESH_MDNS: 'false',
      TILEMESH_KERNEL: 'onnxruntime',
      TILEMESH_KERNEL_THREADS: '1',
    });
    cleanUp = () => boards.clear();
    addresses = BOARDS.map((board) => `${boards.network.address(board)}:${PORT}`);
    for (const board of BOARDS) {
      const known = addresses.slice(0, board - 1).flatMap((address) => ['--bootstrap', address]);
      const api = `${boards.network.address(board)}:8470`;
      up.push(await boards.up(board, '--api', api, '--listen', String(PORT), ...known));
    }
    for (const board of BOARDS) await until('all have met', () => areAllHere(board));
    expected = await ask(1);
  });

  after(() => cleanUp());

  describe('who is a member', () => {
    let hostile: ChildProcess | undefined;

    afterEach(async () => {
      if (hostile !== undefined) await stopped(hostile, 'SIGKILL');
      hostile = undefined;
    });

    async function letIn(name: string, order: Pick<Orders, 'act' | 'conduct'>): Promise<string> {
      hostile = boards.run(OTHER, [HOSTILE, JSON.stringify(orders(order, name))]);
      let complaint = '';
      hostile.stderr!.on('data', (text: Buffer) => (complaint += text.toString()));
      const { peer } = JSON.parse(await firstLine(hostile).catch(() => assert.fail(complaint))) as {
        readonly peer: string;
      };
      return peer;
    }

    const QUIET = { coordinator: 'silent', participant: 'silent' } as const;

    for (const [what, order] of [
      ['claims all the speed there is and answers nothing', { act: 'nothing', conduct: QUIET }],
      ['takes every request and does nothing', { act: 'nothing', conduct: { ...QUIET, coordinator: 'accepts' } }],
      ['renews its leases for ever', { act: 'nothing', conduct: { ...QUIET, coordinator: 'renews' } }],
      ['stalls', { act: 'nothing', conduct: { ...QUIET, participant: 'computing' } }],
      ['accuses the others', { act: 'nothing', conduct: { ...QUIET, participant: 'accuses' } }],
      ['makes itself the coordinator of all', { act: 'nothing', conduct: { ...QUIET, participant: 'usurps' } }],
      ['floods', { act: 'floods', conduct: QUIET }],
      ['sends garbage', { act: 'garbage', conduct: QUIET }],
    ] as const) {
      it(`and ${what} keeps nobody from being served`, async () => {
        await letIn(what.replaceAll(' ', '-'), order);
        const isHeld = order.conduct.coordinator !== 'silent';
        await assertServed(isHeld ? SHORT_DEADLINE_MS : DEADLINE_MS);
      });
    }

    it('and lies about what it computes is found out where answers are verified', async () => {
      const liar = await letIn('lies', { act: 'lies', conduct: QUIET });
      await until('banned somewhere', async () => {
        await assertServed(DEADLINE_MS, true);
        const seen = await Promise.all(BOARDS.map(members));
        return seen.flat().some(({ id, state }) => id === liar && state === 'banned');
      });
    });
  });

  describe('who is none', () => {
    const started: ChildProcess[] = [];

    afterEach(() => Promise.all(started.splice(0).map((child) => stopped(child, 'SIGKILL'))));

    function outsider(role: string): ChildProcess {
      const words = [OUTSIDER, role, boards.network.address(1), String(PORT), String(RELAY_PORT)];
      const child = boards.run(OTHER, words);
      child.stderr!.pipe(process.stderr);
      started.push(child);
      return child;
    }

    /** A board that holds the key, and knows of no other way to the rest than through the outsider. */
    async function throughTheOutsider(): Promise<Up> {
      const relay = `${boards.network.address(OTHER)}:${RELAY_PORT}`;
      const far = await boards.up(FAR, '--bootstrap', relay, '--api', `${boards.network.address(FAR)}:8470`);
      started.push(far.process);
      return far;
    }

    function assertNothingIn(told: string): void {
      const text = Buffer.from(told, 'base64').toString('latin1');
      for (const secret of ['board-', 'default', '/tilemesh/', '/ipfs/', SECRET]) {
        assert.ok(!text.includes(secret), `${secret} in ${JSON.stringify(text)}`);
      }
    }

    const isMember = async (id: string): Promise<boolean> =>
      (await members(1)).some((member) => member.id === id && member.state === 'alive');

    it('and speaks libp2p is told nothing, and keeps nobody from being served', async () => {
      const [{ out, code }] = await Promise.all([ended(outsider('stranger')), assertServed()]);
      assert.equal(code, 0);
      const { isIn, told } = JSON.parse(out.split('\n')[1]!) as { readonly isIn: boolean; readonly told: string };
      assert.equal(isIn, false);
      assert.equal(told, '');
      assert.equal((await members(1)).filter(({ state }) => state === 'alive').length, HONEST);
    });

    it('and says again what a member said is told nothing, and keeps nobody from being served', async () => {
      const replayer = outsider('replayer');
      const lines = createInterface({ input: replayer.stdout! })[Symbol.asyncIterator]();
      assert.equal((await lines.next()).value, 'ready');
      const { process: far, ready } = await throughTheOutsider();
      // All that it passes on makes a member of the board: it has heard all that there is to hear.
      await until('the far board is a member', () => isMember(ready.id));
      await stopped(far, 'SIGKILL');
      const { isIn, told } = JSON.parse(((await lines.next()) as { readonly value: string }).value) as {
        readonly isIn: boolean;
        readonly told: string;
      };
      assert.equal(isIn, false);
      assertNothingIn(told);
      await assertServed();
    });

    it('and alters what passes is found out at once, and keeps nobody from being served', async () => {
      assert.equal(await firstLine(outsider('middle')), 'ready');
      const { ready } = await throughTheOutsider();
      await assertServed();
      assert.equal(await isMember(ready.id), false);
      assert.equal((await members(FAR)).filter(({ state }) => state === 'alive').length, 1);
    });
  });
});
