/**
 * Peers as they are installed, each in a network namespace of its own: how boards come together, what they listen on, and
 * what somebody learns who is on the same network.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Network, removeNetwork } from '../../bench/emulation/network.ts';
import { emulationObstacle } from '../../bench/emulation/system.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/tilemesh.js', import.meta.url));
const SECURITY = fileURLToPath(new URL('../../SECURITY.md', import.meta.url));
const EAVESDROPPER = fileURLToPath(new URL('eavesdrop.ts', import.meta.url));
const READY_MS = 60_000;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Up {
  readonly process: ChildProcess;
  readonly ready: { readonly id: string; readonly mesh: string; readonly invitation?: { readonly token: string } };
}

interface Listening {
  readonly protocol: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
}

describe('a peer as it is installed', function () {
  this.timeout(180_000);
  let network: Network;
  let folder: string;
  let first: Up;
  const started: ChildProcess[] = [];

  before(async function () {
    const obstacle = await emulationObstacle();
    if (obstacle !== undefined) {
      console.log(`      skipped: ${obstacle}`);
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-installed-'));
    network = await Network.create({ boards: 3, linkMbit: 1000 });
    first = await up(1);
  });

  after(async () => {
    for (const child of started) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await removeNetwork('own');
    await rm(folder, { recursive: true, force: true });
  });

  function run(board: number, args: readonly string[]): ChildProcess {
    const [program, ...words] = [...network.prefix(board), process.execPath, ...args];
    const { TILEMESH_MESH_SECRET: _secret, TILEMESH_API_TOKEN: _token, ...env } = process.env;
    const child = spawn(program!, words, {
      cwd: folder,
      env: {
        ...env,
        HOME: join(folder, `home-${board}`),
        TILEMESH_NAME: `board-${board}`,
        TILEMESH_KERNEL: 'reference',
        TILEMESH_KERNEL_MACS_PER_SECOND: '1000000000',
        TILEMESH_LOG_LEVEL: 'error',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.push(child);
    return child;
  }

  const tilemesh = (board: number, ...args: readonly string[]): ChildProcess => run(board, [LAUNCHER, ...args]);

  async function ended(child: ChildProcess): Promise<Ended> {
    let [out, err] = ['', ''];
    child.stdout!.on('data', (text: Buffer) => (out += text.toString()));
    child.stderr!.on('data', (text: Buffer) => (err += text.toString()));
    const [code] = (await once(child, 'close', { signal: AbortSignal.timeout(READY_MS) })) as [number | null];
    return { code, out, err };
  }

  async function up(board: number, ...args: readonly string[]): Promise<Up> {
    const child = tilemesh(board, 'up', '--json', ...args);
    child.stderr!.pipe(process.stderr);
    const signal = AbortSignal.timeout(READY_MS);
    const [line] = (await once(createInterface({ input: child.stdout! }), 'line', { signal })) as [string];
    return { process: child, ready: JSON.parse(line) as Up['ready'] };
  }

  /** Of everything in the board's network namespace, where nothing else runs. */
  async function listening({ process: { pid } }: Up): Promise<readonly Listening[]> {
    const tables = await Promise.all(
      (['tcp', 'tcp6', 'udp', 'udp6'] as const).map(async (table) => {
        const text = await readFile(`/proc/${pid}/net/${table}`, 'utf8');
        const protocol = table.startsWith('tcp') ? 'tcp' : 'udp';
        return text
          .trim()
          .split('\n')
          .slice(1)
          .map((line) => line.trim().split(/\s+/))
          .filter(([, , , state]) => protocol === 'udp' || state === '0A')
          .map(([, local = '']): Listening => {
            const [address = '', port = ''] = local.split(':');
            const host =
              address.length > 8
                ? address
                : (address.match(/../g) ?? [])
                    .reverse()
                    .map((byte) => parseInt(byte, 16))
                    .join('.');
            return { protocol, host, port: parseInt(port, 16) };
          });
      }),
    );
    return tables.flat();
  }

  it('listens on nothing but what SECURITY.md lists', async () => {
    const page = await readFile(SECURITY, 'utf8');
    const rows = [...page.matchAll(/^\| (TCP|UDP) +\| `([\d.]+)` +\| `(\d+|any)` +\|/gm)].map(
      ([, protocol, host, port]) => ({
        protocol: protocol!.toLowerCase(),
        host: host!,
        port: port === 'any' ? null : Number(port),
      }),
    );
    assert.ok(rows.length >= 4, 'SECURITY.md lists sockets');
    const left = [...rows];
    for (const socket of await listening(first)) {
      const index = left.findIndex(
        (row) =>
          row.protocol === socket.protocol &&
          row.host === socket.host &&
          (row.port === null || row.port === socket.port),
      );
      assert.notEqual(index, -1, `${JSON.stringify(socket)} is not in SECURITY.md, or once too often`);
      // Multicast binds its port once for asking and once for answering.
      if (socket.protocol === 'tcp') left.splice(index, 1);
    }
    assert.deepEqual(
      left.filter(({ protocol }) => protocol === 'tcp'),
      [],
      'SECURITY.md lists what is not there',
    );
  });

  it('tells a stranger on the network nothing but a random tag', async () => {
    const ports = (await listening(first)).filter(({ protocol, host }) => protocol === 'tcp' && host === '0.0.0.0');
    const arguments_ = [EAVESDROPPER, network.address(1), ...ports.map(({ port }) => String(port))];
    const { out, err } = await ended(run(3, arguments_));
    assert.equal(err, '');
    const { heard, answers } = JSON.parse(out) as {
      readonly heard: readonly string[];
      readonly answers: readonly string[];
    };
    assert.ok(
      heard.some((packet) => /_tilemesh-[a-z2-7]{16}/.test(packet)),
      'there is something to overhear',
    );
    assert.equal(answers.length, 8);
    const { id } = first.ready;
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
      readonly version: string;
    };
    for (const text of [...heard, ...answers]) {
      for (const secret of [id, id.slice(-8), 'board-1', 'default', version, '/tilemesh/', network.address(1)]) {
        assert.ok(!text.includes(secret), `${secret} in ${JSON.stringify(text)}`);
      }
    }
  });

  it('says what to type where there is a mesh already, and is a member after that', async () => {
    const refused = await ended(tilemesh(2, 'up'));
    assert.equal(refused.code, 1);
    assert.match(refused.err, /"npx tilemesh invite" on a board that does, and here "npx tilemesh join TOKEN"/);

    const joined = await ended(tilemesh(2, 'join', first.ready.invitation!.token));
    assert.equal(joined.code, 0, joined.err);
    const second = await up(2);
    assert.equal(second.ready.invitation, undefined);
    const deadlineMs = performance.now() + 30_000;
    for (;;) {
      const { out } = await ended(tilemesh(1, 'peers', '--json'));
      const { peers } = JSON.parse(out) as {
        readonly peers: readonly { readonly id: string; readonly state: string }[];
      };
      if (peers.filter(({ state }) => state === 'alive').length === 2) break;
      assert.ok(performance.now() < deadlineMs, 'they did not meet');
    }

    const banned = await ended(tilemesh(1, 'peer', 'ban', second.ready.id.slice(-8)));
    assert.equal(banned.code, 0, banned.err);
    const { out } = await ended(tilemesh(1, 'peer'));
    assert.match(out, new RegExp(`^banned +${second.ready.id}$`, 'm'));
  });
});
