/**
 * Peers as they are installed, each in a network namespace of its own: how boards come together, what they listen on, and
 * what somebody learns who is on the same network.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { emulationObstacle } from '../../bench/emulation/system.ts';
import { Boards, ended, type Up } from './boards.ts';

const SECURITY = fileURLToPath(new URL('../../SECURITY.md', import.meta.url));
const EAVESDROPPER = fileURLToPath(new URL('eavesdrop.ts', import.meta.url));

interface Listening {
  readonly protocol: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
}

describe('a peer as it is installed', function () {
  this.timeout(180_000);
  let boards: Boards;
  let cleanUp = (): Promise<void> => Promise.resolve();
  let first: Up;

  before(async function () {
    const obstacle = await emulationObstacle();
    if (obstacle !== undefined) {
      console.log(`      skipped: ${obstacle}`);
      this.skip();
    }
    boards = await Boards.create(3);
    cleanUp = () => boards.clear();
    first = await boards.up(1);
  });

  after(() => cleanUp());

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
    const arguments_ = [EAVESDROPPER, boards.network.address(1), ...ports.map(({ port }) => String(port))];
    const { out, err } = await ended(boards.run(3, arguments_));
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
      for (const secret of [id, id.slice(-8), 'board-1', 'default', version, '/tilemesh/', boards.network.address(1)]) {
        assert.ok(!text.includes(secret), `${secret} in ${JSON.stringify(text)}`);
      }
    }
  });

  it('says what to type where there is a mesh already, and is a member after that', async () => {
    const refused = await ended(boards.tilemesh(2, 'up'));
    assert.equal(refused.code, 1);
    assert.match(refused.err, /"npx tilemesh invite" on a board that does, and here "npx tilemesh join TOKEN"/);

    const joined = await ended(boards.tilemesh(2, 'join', first.ready.invitation!.token));
    assert.equal(joined.code, 0, joined.err);
    const second = await boards.up(2);
    assert.equal(second.ready.invitation, undefined);
    const deadlineMs = performance.now() + 30_000;
    for (;;) {
      const { out } = await ended(boards.tilemesh(1, 'peers', '--json'));
      const { peers } = JSON.parse(out) as {
        readonly peers: readonly { readonly id: string; readonly state: string }[];
      };
      if (peers.filter(({ state }) => state === 'alive').length === 2) break;
      assert.ok(performance.now() < deadlineMs, 'they did not meet');
    }

    const banned = await ended(boards.tilemesh(1, 'peer', 'ban', second.ready.id.slice(-8)));
    assert.equal(banned.code, 0, banned.err);
    const { out } = await ended(boards.tilemesh(1, 'peer'));
    assert.match(out, new RegExp(`^banned +${second.ready.id}$`, 'm'));
    const seen = await ended(boards.tilemesh(1, 'peers'));
    assert.match(seen.out, / banned /);
    assert.match(seen.out, /"peer unban" undoes it/);
  });
});
