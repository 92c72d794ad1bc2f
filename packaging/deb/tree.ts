/** What the package installs, laid out as in the root of a board. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { layApplication, readPackageJson } from './application.ts';
import type { Architecture } from './architecture.ts';
import { packagedConfiguration } from './configuration.ts';
import { changelogText, copyrightText } from './documents.ts';

const PARTS = join(import.meta.dirname, 'debian');
const EXECUTABLE = new Set(['usr/bin/tilemesh', 'usr/lib/tilemesh/bin/node']);

export interface TreeOptions {
  /** The checkout. */
  readonly root: string;
  readonly architecture: Architecture;
  /** Of the Debian package. */
  readonly version: string;
}

/** Lays out the tree in `tree`, which is made. */
export function layTree(tree: string, { root, architecture, version }: TreeOptions): void {
  const application = join(tree, 'usr/lib/tilemesh');
  layApplication(root, application, architecture);
  const place = (from: string, path: string): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    copyFileSync(from, join(tree, path));
  };
  const write = (content: string | Uint8Array, path: string): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), content);
  };
  const date = sourceDate(root);
  const documents = 'usr/share/doc/tilemesh';
  place(join(PARTS, 'tilemesh'), 'usr/bin/tilemesh');
  place(join(root, 'packaging/systemd/tilemesh.service'), 'lib/systemd/system/tilemesh.service');
  place(join(PARTS, 'sysusers.conf'), 'usr/lib/sysusers.d/tilemesh.conf');
  place(join(PARTS, 'lintian-overrides'), 'usr/share/lintian/overrides/tilemesh');
  write(packagedConfiguration(readFileSync(join(root, 'mesh.config.ts'), 'utf8')), 'etc/tilemesh/mesh.config.ts');
  write(compressed(readFileSync(join(PARTS, 'tilemesh.1'))), 'usr/share/man/man1/tilemesh.1.gz');
  write(compressed(changelogText(version, date)), `${documents}/changelog.Debian.gz`);
  write(compressed(readFileSync(join(root, 'CHANGELOG.md'))), `${documents}/changelog.gz`);
  const { version: nodeVersion } = readPackageJson(join(root, 'node_modules/node'));
  write(copyrightText(application, nodeVersion, date.getUTCFullYear()), `${documents}/copyright`);
  for (const name of ['README.md', 'ARCHITECTURE.md']) place(join(root, name), `${documents}/${name}`);
  cpSync(join(root, 'docs'), join(tree, documents), { recursive: true });
  setModes(tree, '');
}

/** Without time and name, so that the same content gives the same bytes. */
const compressed = (content: string | Uint8Array): Uint8Array => gzipSync(content, { level: 9 });

/**
 * Of the last commit, where there are any; otherwise now. SOURCE_DATE_EPOCH goes before both.
 * @throws Error when that is no number of seconds.
 */
export function sourceDate(root: string): Date {
  const { SOURCE_DATE_EPOCH: epoch } = process.env;
  if (epoch !== undefined) {
    if (/^\d{1,11}$/.test(epoch)) return new Date(Number(epoch) * 1000);
    throw new Error(`SOURCE_DATE_EPOCH "${epoch}" is no number of seconds since 1970: correct or unset it`);
  }
  try {
    const output = execFileSync('git', ['log', '-1', '--format=%ct'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return new Date(Number(output.toString()) * 1000);
  } catch {
    return new Date();
  }
}

/** Whatever the builder's umask is. */
function setModes(tree: string, path: string): void {
  chmodSync(join(tree, path), 0o755);
  for (const entry of readdirSync(join(tree, path), { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) setModes(tree, inner);
    else chmodSync(join(tree, inner), EXECUTABLE.has(inner) ? 0o755 : 0o644);
  }
}
