/**
 * The Dockerfile, step by step, and a peer of the image. No registry is asked for the image that it begins with: one is made
 * of a Debian by debootstrap and the Node and npm of this machine.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Network, removeNetwork } from '../../bench/emulation/network.ts';
import { emulationObstacle, isProgram } from '../../bench/emulation/system.ts';
import { heldBackDigit } from '../../demo/pictures.ts';
import { Chroot, chrootObstacle } from './chroot.ts';
import { bestLabel, startPeerProcess } from './peer-process.ts';

const ROOT = join(import.meta.dirname, '../..');
const DOCKERFILE = join(ROOT, 'packaging/docker/Dockerfile');
const DIGIT = 55;

interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir: string;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

async function obstacle(): Promise<string | undefined> {
  for (const program of ['buildah', 'npm']) {
    if (!(await isProgram(program))) return `"${program}" is not installed`;
  }
  return (await chrootObstacle()) ?? (await emulationObstacle());
}

const output = (file: string, ...args: readonly string[]): string =>
  execFileSync(file, args, { encoding: 'utf8', cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] }).trim();

/** Node and npm, and how this machine reaches npm's registry. */
async function addNode(folder: string): Promise<void> {
  const local = join(folder, 'usr/local');
  for (const name of ['bin', 'etc', 'lib/node_modules']) await mkdir(join(local, name), { recursive: true });
  await cp(realpathSync(process.execPath), join(local, 'bin/node'));
  const npm = dirname(dirname(realpathSync(output('which', 'npm'))));
  await cp(npm, join(local, 'lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
  const lines = [`registry=${output('npm', 'config', 'get', 'registry')}`];
  const authority = process.env.NODE_EXTRA_CA_CERTS;
  if (authority !== undefined) {
    await cp(authority, join(local, 'etc/npm-ca.pem'), { dereference: true });
    lines.push('cafile=/usr/local/etc/npm-ca.pem');
  }
  await writeFile(join(local, 'etc/npmrc'), `${lines.join('\n')}\n`);
}

describe('the Dockerfile', function () {
  this.timeout(1_800_000);

  let workplace: string | undefined;
  let network: Network;
  let image: Chroot;
  let config: ImageConfig;

  const buildah = (...args: readonly string[]): string => {
    const store = ['--root', join(workplace!, 'root'), '--runroot', join(workplace!, 'run'), '--storage-driver', 'vfs'];
    return output('buildah', ...store, ...args);
  };

  before(async function () {
    const reason = await obstacle();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    workplace = await mkdtemp(join(tmpdir(), 'tilemesh-docker-'));
    const [, name] = /^FROM (\S+) AS build$/m.exec(await readFile(DOCKERFILE, 'utf8'))!;
    const debian = await Chroot.create();
    try {
      await addNode(debian.folder);
      const container = buildah('from', 'scratch');
      execFileSync('cp', ['--archive', `${debian.folder}/.`, buildah('mount', container)]);
      buildah('config', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', container);
      buildah('commit', '--rm', container, `docker.io/library/${name!}`);
    } finally {
      await debian.remove();
    }
    await removeNetwork('abandoned');
    network = await Network.create({ boards: 1, linkMbit: 1000 });
  });

  after(async () => {
    if (workplace === undefined) return;
    await removeNetwork('own');
    await rm(workplace, { recursive: true, force: true });
  });

  it('builds', () => {
    buildah(
      'bud',
      '--pull-never',
      '--isolation',
      'chroot',
      '--format',
      'docker',
      '-f',
      DOCKERFILE,
      '-t',
      'tilemesh',
      ROOT,
    );
    const container = buildah('from', '--pull-never', 'localhost/tilemesh');
    image = Chroot.of(buildah('mount', container));
    const { Docker } = JSON.parse(buildah('inspect', container)) as {
      readonly Docker: { readonly config: ImageConfig };
    };
    config = Docker.config;
    assert.equal(config.User, 'tilemesh');
  });

  it('makes an image whose peer answers, says that it is healthy, and ends with exit code 0', async () => {
    const { label, png } = await heldBackDigit(DIGIT);
    await writeFile(image.path('tmp/digit.png'), png);
    const inside = (...words: readonly string[]): readonly string[] => {
      const identity = [`--reuid=${config.User}`, `--regid=${config.User}`, '--clear-groups', '--no-new-privs'];
      const surroundings = ['env', '-i', `--chdir=${config.WorkingDir}`, ...config.Env];
      return image.command('setpriv', ...identity, ...surroundings, ...words);
    };
    const run = (...words: readonly string[]): string => {
      const [file, ...args] = [...network.prefix(1), ...inside(...words)];
      return output(file!, ...args);
    };
    const started = inside(...config.Entrypoint, ...config.Cmd, '--json');
    const peer = startPeerProcess([...network.prefix(1), ...started], { env: process.env });
    try {
      assert.equal((await peer.ready).kernel, 'onnxruntime');
      const answer = run(...config.Entrypoint, 'run', 'lenet5', '/tmp/digit.png', '--json');
      assert.equal(bestLabel(JSON.parse(answer)), String(label));
      const [kind, ...health] = config.Healthcheck.Test;
      assert.equal(kind, 'CMD');
      run(...health);
    } finally {
      const { code, stderr } = await peer.stop();
      assert.equal(code, 0, stderr);
    }
    const [, ...health] = config.Healthcheck.Test;
    assert.throws(() => run(...health), /no healthy peer/);
  });
});
