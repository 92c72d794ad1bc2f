/**
 * Faults of networks, made and mended: boards in network namespaces of their own, joined by a bridge. The command line that
 * looks for them is the real one, in a process inside a namespace.
 */
import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Network, removeNetwork } from '../../bench/emulation/network.ts';
import { emulationObstacle, runProgram } from '../../bench/emulation/system.ts';
import type { Finding } from '../../src/cli/doctor/finding.ts';

const BIN = fileURLToPath(new URL('../../bin/tilemesh.js', import.meta.url));
const BOARDS = 3;
const PATIENCE_MS = 90_000;

interface Diagnosis {
  readonly level: string;
  readonly findings: readonly Finding[];
}

describe('doctor, in networks with faults', function () {
  this.timeout(240_000);
  let network: Network | undefined;
  let folder: string;
  const peers: ChildProcess[] = [];

  before(async function () {
    const obstacle = await emulationObstacle();
    if (obstacle !== undefined) {
      console.log(`      skipped: ${obstacle}`);
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-doctor-'));
    network = await Network.create({ boards: BOARDS, linkMbit: 1000 });
  });
  after(async () => {
    const running = peers.filter(({ exitCode }) => exitCode === null);
    for (const peer of running) peer.kill('SIGTERM');
    await Promise.all(running.map((peer) => once(peer, 'exit')));
    if (network === undefined) return;
    await rm(folder, { recursive: true });
    await removeNetwork('own');
  });

  /** A command, run on a board. */
  const on = (board: number, ...command: readonly string[]): readonly [string, ...string[]] =>
    [...network!.prefix(board), ...command] as unknown as [string, ...string[]];

  const inside = (board: number, ...command: readonly string[]): Promise<string> => {
    const [program, ...rest] = on(board, ...command);
    return runProgram(program, ...rest);
  };

  /** Exit codes say how it stands, so they are no failures. */
  const doctor = (board: number): Promise<Diagnosis> => {
    const [program, ...rest] = on(board, process.execPath, BIN, 'doctor', '--json');
    return new Promise((resolve, reject) => {
      execFile(program, rest, { timeout: PATIENCE_MS }, (error, stdout, stderr) => {
        if (stdout === '') reject(new Error(stderr, { cause: error }));
        else resolve(JSON.parse(stdout) as Diagnosis);
      });
    });
  };

  /** Looks until it is found, since peers need a while to find and to miss each other. */
  async function until(board: number, isFound: (findings: readonly Finding[]) => boolean): Promise<Diagnosis> {
    const deadlineMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const diagnosis = await doctor(board);
      if (isFound(diagnosis.findings)) return diagnosis;
      if (performance.now() > deadlineMs) assert.fail(JSON.stringify(diagnosis.findings, null, 1));
      await setTimeout(500);
    }
  }

  async function start(board: number): Promise<void> {
    const [program, ...rest] = on(board, process.execPath, BIN, 'up', '--json');
    const options = ['--name', `board-${board}`, '--data', join(folder, String(board)), '--mesh', 'doctor'];
    const peer = spawn(program, [...rest, ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        TILEMESH_MESH_SECRET: 'of the boards that are looked at',
        TILEMESH_LOG_LEVEL: 'error',
        TILEMESH_KERNEL_MACS_PER_SECOND: '1000000000',
      },
    });
    peers.push(peer);
    await once(createInterface({ input: peer.stdout }), 'line', { signal: AbortSignal.timeout(PATIENCE_MS) });
  }

  it('finds that there is no route for multicast, without any peer, and the command it names mends it', async () => {
    await inside(1, 'ip', 'route', 'delete', '224.0.0.0/4');
    const before = await doctor(1);
    assert.equal(before.level, 'critical');
    const finding = before.findings.find(({ check }) => check === 'multicast');
    assert.equal(finding?.level, 'problem');
    assert.match(finding.text, /ENETUNREACH/);
    assert.equal(finding.remedy, 'sudo ip route add 224.0.0.0/4 dev eth0');
    await inside(1, ...finding.remedy.replace('sudo ', '').split(' '));
    const after = await doctor(1);
    assert.equal(after.findings.find(({ check }) => check === 'multicast')?.level, 'ok');
    assert.ok(
      after.findings.some(({ check }) => check === 'peer'),
      'it says that no peer runs',
    );
  });

  it('finds nothing wrong between three boards that reach each other', async () => {
    await Promise.all([1, 2, 3].map(start));
    const { findings } = await until(3, (all) =>
      all.some(({ check, level }) => check === 'reachability' && level === 'ok'),
    );
    assert.match(findings.find(({ check }) => check === 'reachability')!.text, /all 3 pairs/);
    assert.deepEqual(
      findings.filter(({ level, check }) => level === 'problem' && check !== 'memory' && check !== 'disk'),
      [],
    );
    const multicast = findings.find(({ check }) => check === 'multicast')!;
    assert.match(multicast.text, /2 other machine\(s\) answered/);
  });

  it('finds the one pair of boards that cannot reach each other', async () => {
    await inside(1, 'ip', 'route', 'add', 'blackhole', `${network!.address(2)}/32`);
    await inside(2, 'ip', 'route', 'add', 'blackhole', `${network!.address(1)}/32`);
    const { findings, level } = await until(3, (all) =>
      all.some((finding) => finding.check === 'reachability' && finding.level === 'problem'),
    );
    assert.equal(level, 'critical');
    const pairs = findings.filter((finding) => finding.check === 'reachability');
    assert.deepEqual(
      pairs.map(({ subject }) => subject.split(' - ').sort()),
      [['board-1', 'board-2']],
    );
    assert.match(pairs[0]!.text, /reach/);
    assert.ok(pairs[0]!.remedy!.includes('ip route get'));
  });
});
