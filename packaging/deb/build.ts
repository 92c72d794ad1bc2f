/** From a laid-out tree to a `.deb`, without being root: `dpkg-deb` writes down root as the owner of everything. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checksumsText, conffilesText, controlText } from './control.ts';
import type { Architecture } from './architecture.ts';
import { layTree, sourceDate } from './tree.ts';

const PARTS = join(import.meta.dirname, 'debian');
const SCRIPTS = ['postinst', 'prerm', 'postrm'];

/** `xz` for boards to fetch, `gzip` at its fastest for tests. */
export type Compression = 'xz' | 'gzip';
const COMPRESSION: Readonly<Record<Compression, readonly string[]>> = {
  xz: ['-Zxz', '-z6'],
  gzip: ['-Zgzip', '-z1'],
};

export interface BuildOptions {
  /** The checkout. */
  readonly root: string;
  readonly architecture: Architecture;
  /** Of the Debian package. */
  readonly version: string;
  readonly compression: Compression;
  /** Folder of the package, made when missing. */
  readonly output: string;
  /** Where the tree is laid out; removed afterwards. */
  readonly workplace: string;
}

/**
 * @returns the path of the package.
 * @throws Error when npm or dpkg-deb fails; what they say goes to stderr.
 */
export function buildPackage(options: BuildOptions): string {
  const { root, architecture, version, compression, output, workplace } = options;
  const tree = join(workplace, 'tree');
  try {
    layTree(tree, { root, architecture, version });
    writeControl(tree, options);
    mkdirSync(output, { recursive: true });
    const file = join(output, `tilemesh_${version}_${architecture}.deb`);
    execFileSync('dpkg-deb', ['--root-owner-group', ...COMPRESSION[compression], '--build', tree, file], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, SOURCE_DATE_EPOCH: String(sourceDate(root).getTime() / 1000) },
    });
    return file;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function writeControl(tree: string, { version, architecture }: BuildOptions): void {
  const texts = {
    control: controlText(tree, { version, architecture }),
    conffiles: conffilesText(tree),
    md5sums: checksumsText(tree),
  };
  const folder = join(tree, 'DEBIAN');
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  for (const [name, text] of Object.entries(texts)) {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o644);
  }
  for (const name of SCRIPTS) {
    copyFileSync(join(PARTS, name), join(folder, name));
    chmodSync(join(folder, name), 0o755);
  }
}
