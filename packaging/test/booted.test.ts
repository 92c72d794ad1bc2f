/** Boards that have been started, with a systemd of their own: the service on one, the Ansible role on two more. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Network, removeNetwork } from '../../bench/emulation/network.ts';
import { namespaceName } from '../../bench/emulation/ownership.ts';
import { emulationObstacle, isProgram } from '../../bench/emulation/system.ts';
import { heldBackDigit } from '../../demo/pictures.ts';
import type { RunResult } from '../../src/cli/run-request.ts';
import { Chroot } from './chroot.ts';
import { BOOTED_PACKAGES, bootObstacle, Machine } from './machine.ts';
import { bestLabel } from './peer-process.ts';

const execute = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
const LENET = join(ROOT, 'models/zoo/lenet5/lenet5.onnx');
const ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'amd64';
const STATE = '/var/lib/tilemesh';
/** Any of those held back. */
const DIGIT = 321;
const PLAY_DEADLINE_MS = 600_000;
const RESTART_DEADLINE_MS = 60_000;
const POLL_MS = 200;

/** What the role needs of a board, or would fetch: these boards have no network but that between them. */
const ROLE_PACKAGES = ['openssh-server', 'python3', 'python3-apt', 'nftables', 'systemd-timesyncd'] as const;
/** A container has its host's clock, so what would set it only stays. */
const CLOCK = '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=sysinit.target\n';

interface Recap {
  readonly changed: number;
  readonly failed: number;
  readonly unreachable: number;
}

/** What Ansible says of each host in the end. */
const recapOf = (text: string): Readonly<Record<string, Recap>> =>
  Object.fromEntries(
    [...text.matchAll(/^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)/gm)].map(
      ([, host, changed, unreachable, failed]) => [
        host!,
        { changed: Number(changed), failed: Number(failed), unreachable: Number(unreachable) },
      ],
    ),
  );

describe('boards that have been started', function () {
  this.timeout(1_800_000);

  let workplace: string | undefined;
  let image: Chroot;
  let network: Network;
  let digit: { readonly label: number };
  const cards: Chroot[] = [];
  const machines: Machine[] = [];

  const archive = (revision: number): string => {
    const { version } = JSON.parse(execFileSync('cat', [join(ROOT, 'package.json')], { encoding: 'utf8' })) as { readonly version: string }; // prettier-ignore
    return join(workplace!, `tilemesh_${version}-${revision}_${ARCHITECTURE}.deb`);
  };

  async function start(board: number): Promise<Machine> {
    const card = await image.copy();
    cards.push(card);
    const options = { hostname: `board-${board}`, namespace: namespaceName(process.pid, board) };
    const machine = await Machine.boot(card, options);
    machines.push(machine);
    return machine;
  }

  before(async function () {
    const obstacle = (await bootObstacle()) ?? (await emulationObstacle());
    if (obstacle !== undefined) {
      console.log(`      skipped: ${obstacle}`);
      this.skip();
    }
    workplace = await mkdtemp(join(tmpdir(), 'tilemesh-booted-'));
    for (const revision of [1, 2]) {
      const words = ['--arch', ARCHITECTURE, '--fast', '--revision', String(revision), '--output', workplace];
      execFileSync(process.execPath, [join(ROOT, 'packaging/deb/main.ts'), ...words]);
    }
    image = await Chroot.create([...BOOTED_PACKAGES, ...ROLE_PACKAGES]);
    const { label, png } = await heldBackDigit(DIGIT);
    digit = { label };
    await writeFile(image.path('root/digit.png'), png);
    for (const revision of [1, 2]) execFileSync('cp', [archive(revision), image.path(`root/${revision}.deb`)]);
    execFileSync('cp', [LENET, image.path('root/own.onnx')]);
    await writeFile(image.path('etc/systemd/system/systemd-timesyncd.service'), CLOCK);
    await writeFile(image.path('etc/fstab'), '/dev/mmcblk0p1 / ext4 noatime 0 1\n/dev/mmcblk0p2 none swap sw 0 0\n');
    await removeNetwork('abandoned');
    network = await Network.create({ boards: 3, linkMbit: 1000 });
  });

  after(async () => {
    await Promise.all(machines.map((machine) => machine.stop()));
    if (workplace === undefined) return;
    await removeNetwork('own');
    await Promise.all([image, ...cards].map((folder) => folder.remove()));
    await rm(workplace, { recursive: true, force: true });
  });

  describe('as a service', () => {
    let machine: Machine;
    let identity: string;

    const ask = async (...words: readonly string[]): Promise<unknown> =>
      JSON.parse(await machine.run('tilemesh', ...words, '--json'));

    const peerId = async (): Promise<string> => ((await ask('status')) as { readonly id: string }).id;

    before(async () => {
      machine = await start(1);
    });

    after(() => machine.stop());

    it('the peer answers as soon as its package is installed, as systemd waits until it is ready', async () => {
      await machine.run('dpkg', '--install', '/root/1.deb');
      assert.equal(bestLabel(await ask('run', 'lenet5', '/root/digit.png')), String(digit.label));
      const { ActiveState, UnitFileState } = await machine.unit('tilemesh', 'ActiveState', 'UnitFileState');
      assert.deepEqual([ActiveState, UnitFileState], ['active', 'enabled']);
      const status = await machine.run('systemctl', 'status', '--no-pager', 'tilemesh');
      assert.match(status, /Active: active \(running\)/);
      identity = await peerId();
      await ask('import', '/root/own.onnx', '--name', 'own');
      assert.equal(await machine.run('journalctl', '--unit=tilemesh', '--priority=warning', '--output=cat'), '');
      assert.doesNotMatch(await machine.run('journalctl', '--unit=tilemesh', '--output=cat'), /onnxruntime:/);
    });

    it('it is started again after it was killed, as the same peer', async () => {
      const { MainPID: first } = await machine.unit('tilemesh', 'MainPID');
      await machine.run('systemctl', 'kill', '--signal=KILL', 'tilemesh');
      const giveUp = AbortSignal.timeout(RESTART_DEADLINE_MS);
      for (;;) {
        const { MainPID, ActiveState } = await machine.unit('tilemesh', 'MainPID', 'ActiveState');
        if (ActiveState === 'active' && MainPID !== first) break;
        await setTimeout(POLL_MS, undefined, { signal: giveUp });
      }
      assert.equal(await peerId(), identity);
    });

    it('it is started again when it stands still for longer than the watchdog waits', async () => {
      const folder = '/run/systemd/system/tilemesh.service.d';
      await machine.run(
        'sh',
        '-c',
        `mkdir -p ${folder} && printf '[Service]\\nWatchdogSec=3\\n' > ${folder}/test.conf`,
      );
      await machine.run('systemctl', 'daemon-reload');
      await machine.run('systemctl', 'restart', 'tilemesh');
      const { MainPID: first, NRestarts: before } = await machine.unit('tilemesh', 'MainPID', 'NRestarts');
      await machine.run('kill', '-STOP', first!);
      const giveUp = AbortSignal.timeout(RESTART_DEADLINE_MS);
      for (;;) {
        const { MainPID, ActiveState, NRestarts } = await machine.unit('tilemesh', 'MainPID', 'ActiveState', 'NRestarts'); // prettier-ignore
        if (ActiveState === 'active' && MainPID !== first && NRestarts !== before) break;
        await setTimeout(POLL_MS, undefined, { signal: giveUp });
      }
      await machine.run('rm', '-r', folder);
      await machine.run('systemctl', 'daemon-reload');
      await machine.run('systemctl', 'restart', 'tilemesh');
    });

    it('it finishes the request that it has when it is stopped, and ends with exit code 0', async () => {
      const answer = ask('run', 'vgg16', '/root/digit.png');
      const giveUp = AbortSignal.timeout(RESTART_DEADLINE_MS);
      const isUnderWay = async (): Promise<boolean> => (await machine.run('tilemesh', 'ps', '--plain')).trim() !== '';
      while (!(await isUnderWay())) await setTimeout(POLL_MS, undefined, { signal: giveUp });
      await machine.run('systemctl', 'stop', 'tilemesh');
      assert.equal(((await answer) as RunResult).answer.kind, 'classes');
      const { Result, ExecMainCode, ExecMainStatus } = await machine.unit('tilemesh', 'Result', 'ExecMainCode', 'ExecMainStatus'); // prettier-ignore
      assert.deepEqual([Result, ExecMainCode, ExecMainStatus], ['success', '1', '0']);
      await assert.rejects(machine.run('tilemesh', 'health'), ({ cause }: Error) => {
        assert.equal((cause as { readonly code?: unknown }).code, 3);
        return true;
      });
      await machine.run('systemctl', 'start', 'tilemesh');
    });

    it('an upgrade leaves it running as the same peer, with its models', async () => {
      const { MainPID: first } = await machine.unit('tilemesh', 'MainPID');
      await machine.run('dpkg', '--install', '/root/2.deb');
      const { MainPID, ActiveState } = await machine.unit('tilemesh', 'MainPID', 'ActiveState');
      assert.equal(ActiveState, 'active');
      assert.notEqual(MainPID, first);
      assert.equal(await peerId(), identity);
      const { models } = (await ask('models')) as { readonly models: readonly { readonly name: string }[] };
      assert.deepEqual(models.map(({ name }) => name).sort(), ['lenet5', 'own', 'vgg16']);
    });

    it('it goes with its package', async () => {
      await machine.run('dpkg', '--purge', 'tilemesh');
      const { LoadState } = await machine.unit('tilemesh', 'LoadState');
      assert.equal(LoadState, 'not-found');
      await assert.rejects(stat(cards[0]!.path(STATE)), { code: 'ENOENT' });
    });
  });

  describe('by Ansible', () => {
    const boards = [2, 3];

    async function play(revision: number): Promise<Readonly<Record<string, Recap>>> {
      const words = ['-i', join(workplace!, 'boards.yml'), 'site.yml', '-e', `tilemesh_package=${archive(revision)}`];
      const env = { PATH: process.env.PATH, HOME: workplace, LC_ALL: 'C.UTF-8', ANSIBLE_NOCOLOR: '1' };
      const options = { cwd: join(ROOT, 'packaging/ansible'), env, timeout: PLAY_DEADLINE_MS };
      const { stdout } = await execute('ansible-playbook', words, options).catch((cause: unknown) => {
        const { stdout: text = '', stderr = '' } = cause as { readonly stdout?: string; readonly stderr?: string };
        throw new Error(`${text}${stderr}`.slice(-4000), { cause });
      });
      return recapOf(stdout);
    }

    before(async function () {
      for (const program of ['ansible-playbook', 'ssh', 'ssh-keygen']) {
        if (await isProgram(program)) continue;
        console.log(`      skipped: "${program}" is not installed`);
        this.skip();
      }
      const key = join(workplace!, 'key');
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
      await mkdir(image.path('root/.ssh'), { mode: 0o700, recursive: true });
      await writeFile(image.path('root/.ssh/authorized_keys'), await readFile(`${key}.pub`), { mode: 0o600 });
      const subnet = network.address(0).replace(/0$/, '0/24');
      const hosts = boards
        .map((board) => `    board-${board}:\n      ansible_host: ${network.address(board)}\n`)
        .join('');
      const login = '-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null';
      await writeFile(
        join(workplace!, 'boards.yml'),
        `boards:\n  hosts:\n${hosts}  vars:\n    ansible_user: root\n    ansible_ssh_private_key_file: ${key}\n` +
          `    ansible_ssh_common_args: '${login}'\n    tilemesh_network: ${subnet}\n`,
      );
      await Promise.all(boards.map(start));
    });

    it('become one mesh that answers', async () => {
      for (const [board, { failed, unreachable }] of Object.entries(await play(1))) {
        assert.deepEqual([failed, unreachable], [0, 0], board);
      }
      const last = machines.at(-1)!;
      const { peers } = JSON.parse(await last.run('tilemesh', 'peers', '--json')) as { readonly peers: readonly { readonly name: string }[] }; // prettier-ignore
      assert.deepEqual(peers.map(({ name }) => name).sort(), ['board-2', 'board-3']);
      const answer = JSON.parse(await last.run('tilemesh', 'run', 'lenet5', '/root/digit.png', '--json')) as unknown;
      assert.equal(bestLabel(answer), String(digit.label));
    });

    it('are left as they are by a second run', async () => {
      const recap = await play(1);
      assert.deepEqual(Object.keys(recap).sort(), ['board-2', 'board-3']);
      for (const [board, { changed }] of Object.entries(recap)) assert.equal(changed, 0, board);
    });

    it('keep to what they were told: no swap at the next start, and a firewall', async () => {
      const last = machines.at(-1)!;
      assert.match(await readFile(cards.at(-1)!.path('etc/fstab'), 'utf8'), /^# \/dev\/mmcblk0p2 none swap/m);
      const rules = await last.run('nft', 'list', 'ruleset');
      assert.match(rules, /policy drop/);
      assert.match(rules, /udp dport 5353 accept/);
    });

    it('are the same peers with a newer package', async () => {
      const id = async (machine: Machine): Promise<string> =>
        (JSON.parse(await machine.run('tilemesh', 'status', '--json')) as { readonly id: string }).id;
      const [two, three] = machines.slice(-2);
      const before = [await id(two!), await id(three!)];
      const recap = await play(2);
      for (const [board, { changed, failed }] of Object.entries(recap)) {
        assert.equal(failed, 0, board);
        assert.ok(changed > 0, board);
      }
      assert.deepEqual([await id(two!), await id(three!)], before);
    });
  });
});
