/** The Debian package on a Debian: installed, running as its unit says, upgraded, removed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Network, removeNetwork } from '../../bench/emulation/network.ts';
import { isProgram } from '../../bench/emulation/system.ts';
import { heldBackDigit } from '../../demo/pictures.ts';
import { writeNpy } from '../../models/tasks/npy.ts';
import { DIGIT_SIDE } from '../../models/zoo/lenet5/digits.ts';
import { tensor } from '../../src/core/tensor/tensor.ts';
import { Chroot, chrootObstacle, readUnit } from './chroot.ts';
import { bestLabel, startPeerProcess, type PeerProcess } from './peer-process.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'packaging/deb/main.ts');
const LENET = join(import.meta.dirname, '../../models/zoo/lenet5/lenet5.onnx');
const ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'amd64';
const CONFIGURATION = '/etc/tilemesh/mesh.config.ts';
const STATE = '/var/lib/tilemesh';
/** Any of those held back. */
const DIGIT = 1234;

const isPresent = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

describe('the Debian package', function () {
  this.timeout(1_800_000);

  let workplace: string;
  let chroot: Chroot | undefined;
  let network: Network;
  let firstId: string;
  let digit: { readonly label: number };
  let running: PeerProcess | undefined;

  const build = (revision: number): string =>
    execFileSync(
      process.execPath,
      [MAIN, '--arch', ARCHITECTURE, '--fast', '--revision', String(revision), '--output', workplace],
      { encoding: 'utf8' },
    ).trim();

  const inside = (): Chroot => chroot!;

  async function install(file: string): Promise<void> {
    const name = basename(file);
    execFileSync('cp', [file, inside().path(`tmp/${name}`)]);
    await inside().run('apt-get', 'install', '-y', '-q', '--no-install-recommends', `/tmp/${name}`);
  }

  /** What systemd would start, as the user it would take, without what it would add in walls. */
  async function start(env: Readonly<Record<string, string>> = {}): Promise<PeerProcess> {
    const unit = await readUnit(inside().path('lib/systemd/system/tilemesh.service'));
    const [user, folder, command] = ['User', 'WorkingDirectory', 'ExecStart'].map((name) => unit.get(name)![0]!);
    const settings = [...unit.get('Environment')!, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
    const identity = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--no-new-privs', '--bounding-set=-all'];
    const started = ['env', '-i', `HOME=${STATE}`, ...settings, `--chdir=${folder}`, ...command!.split(' '), '--json'];
    const words = inside().command('setpriv', ...identity, '--inh-caps=-all', ...started);
    running = startPeerProcess([...network.prefix(1), ...words], { env: process.env });
    return running;
  }

  const ask = async (...words: readonly string[]): Promise<Record<string, unknown>> =>
    JSON.parse(await inside().runWith(network.prefix(1), 'tilemesh', ...words, '--json')) as Record<string, unknown>;

  async function assertReads(): Promise<void> {
    assert.equal(bestLabel(await ask('run', 'lenet5', '/tmp/digit.png')), String(digit.label));
  }

  /** What a model makes of the same numbers, byte for byte. */
  async function outputOf(model: string): Promise<Buffer> {
    await ask('run', model, '--input', 'image=/tmp/digit.npy', '--output', `/tmp/${model}`);
    return readFile(inside().path(`tmp/${model}/probabilities.npy`));
  }

  before(async function () {
    const obstacle = await chrootObstacle();
    if (obstacle !== undefined) {
      console.log(`      skipped: ${obstacle}`);
      this.skip();
    }
    workplace = await mkdtemp(join(tmpdir(), 'tilemesh-package-'));
    chroot = await Chroot.create();
    await removeNetwork('abandoned');
    network = await Network.create({ boards: 2, linkMbit: 1000 });
    const { label, png } = await heldBackDigit(DIGIT);
    digit = { label };
    await writeFile(inside().path('tmp/digit.png'), png);
    const grey = Float32Array.from({ length: DIGIT_SIDE ** 2 }, (_, pixel) => (pixel % 7) / 7);
    const array = tensor('float32', [1, 1, DIGIT_SIDE, DIGIT_SIDE], new Uint8Array(grey.buffer));
    await writeFile(inside().path('tmp/digit.npy'), writeNpy(array));
    execFileSync('cp', [LENET, inside().path('tmp/own.onnx')]);
  });

  // Of a test that failed half-way.
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });

  after(async () => {
    if (chroot === undefined) return;
    await removeNetwork('own');
    await chroot.remove();
    await rm(workplace, { recursive: true, force: true });
  });

  it('has nothing for lintian to say', async function () {
    const file = build(1);
    if (!(await isProgram('lintian'))) {
      console.log('      skipped: "lintian" is not installed');
      this.skip();
    }
    assert.equal(execFileSync('lintian', ['--allow-root', '--fail-on=error,warning', file], { encoding: 'utf8' }), '');
  });

  it('installs with what it depends on, and starts as its unit says, as a user of its own', async () => {
    await install(join(workplace, `tilemesh_${await version(1)}_${ARCHITECTURE}.deb`));
    const peer = await start();
    const ready = await peer.ready;
    firstId = ready.id;
    assert.equal(ready.kernel, 'onnxruntime');
    await assertReads();
    await ask('import', '/tmp/own.onnx', '--name', 'own');
    assert.deepEqual(await outputOf('own'), await outputOf('lenet5'));
    const { uid, mode } = await stat(inside().path(`${STATE}/identity.key`));
    assert.notEqual(uid, 0);
    assert.equal(mode & 0o077, 0);
    const { code, stderr } = await peer.stop();
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /Warning/);
  });

  it('brings the kernel in WebAssembly too', async () => {
    const peer = await start({ TILEMESH_KERNEL: 'wasm' });
    assert.equal((await peer.ready).kernel, 'wasm');
    await assertReads();
    assert.equal((await peer.stop()).code, 0);
  });

  it('keeps identity, models and settings when it is upgraded', async () => {
    const path = inside().path(CONFIGURATION);
    await writeFile(path, (await readFile(path, 'utf8')).replace("// name: 'board-7'", "name: 'kept'"));
    await install(build(2));
    const peer = await start();
    const ready = await peer.ready;
    assert.deepEqual([ready.id, ready.name], [firstId, 'kept']);
    assert.deepEqual(await outputOf('own'), await outputOf('lenet5'));
    assert.equal((await peer.stop()).code, 0);
  });

  it('joins the mesh of another board with one command, as the user of the service', async () => {
    const path = inside().path(CONFIGURATION);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace("// mesh: 'default'", "mesh: 'other'"));
    const [board, home] = [2, join(workplace, 'other')];
    const peer = [process.execPath, join(ROOT, 'bin/tilemesh.js'), 'up', '--json'];
    const settings = ['--name', 'other', '--mesh', 'other', '--data', home];
    const env = { PATH: process.env.PATH, HOME: home };
    const other = startPeerProcess([...network.prefix(board), ...peer, ...settings], { cwd: workplace, env });
    try {
      const { token } = (await other.ready).invitation!;
      assert.equal((await ask('join', token)).mesh, 'other');
      const joined = await start();
      await joined.ready;
      const { peers } = await ask('peers');
      assert.equal((peers as readonly unknown[]).length, 2);
      // Root is asked for no token: it is found where the service keeps it.
      assert.equal((await ask('peer', 'list')).mesh, 'other');
      assert.equal((await joined.stop()).code, 0);
    } finally {
      await other.stop();
      await writeFile(path, text);
    }
  });

  it('says in one line what is wrong with its configuration', async () => {
    const path = inside().path(CONFIGURATION);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace("name: 'kept'", "mesh: 'Not A Mesh'"));
    const peer = await start();
    await assert.rejects(peer.ready, /ended with 1/);
    assert.match((await peer.exit).stderr, /^tilemesh: mesh\.config\.ts: mesh must be .*\n$/);
    await writeFile(path, text);
  });

  it('leaves settings and state when it is removed, and nothing when it is purged', async () => {
    await inside().run('apt-get', 'remove', '-y', '-q', 'tilemesh');
    const exists = (...paths: readonly string[]): Promise<readonly boolean[]> =>
      Promise.all(paths.map((path) => isPresent(inside().path(path))));
    const program = ['/usr/bin/tilemesh', '/usr/lib/tilemesh', '/lib/systemd/system/tilemesh.service'];
    assert.deepEqual(await exists(...program), [false, false, false]);
    assert.deepEqual(await exists(CONFIGURATION, `${STATE}/identity.key`), [true, true]);
    await inside().run('apt-get', 'purge', '-y', '-q', 'tilemesh');
    assert.deepEqual(await exists('/etc/tilemesh', STATE), [false, false]);
  });

  it('is refused in one line for a processor it is not built for', () => {
    const attempt = (): unknown => execFileSync(process.execPath, [MAIN, '--arch', 'riscv64'], { stdio: 'pipe' });
    assert.throws(attempt, ({ status, stderr }: { status: number; stderr: Buffer }) => {
      assert.equal(status, 2);
      assert.match(stderr.toString(), /^package:deb: --arch "riscv64" is none of arm64, amd64; usage: .*\n$/);
      return true;
    });
  });
});

/** Of the Debian package with a revision. */
async function version(revision: number): Promise<string> {
  const text = await readFile(join(import.meta.dirname, '../../package.json'), 'utf8');
  return `${(JSON.parse(text) as { readonly version: string }).version}-${revision}`;
}
