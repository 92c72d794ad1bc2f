/** The control files of a Debian package, from the tree that it installs. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Architecture } from './architecture.ts';
import { maintainer } from './documents.ts';

/**
 * Versions of the C libraries are the oldest that the runtime is built for (Node's BUILDING.md). `systemd-sysusers` makes the
 * user, `systemd-notify` of the package systemd tells readiness.
 */
const DEPENDS = ['libc6 (>= 2.28)', 'libstdc++6 (>= 8)', 'libgcc-s1', 'systemd', 'init-system-helpers (>= 1.52)'];

/** Paths of all files below `folder`, relative to it, sorted. */
export const filesBelow = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();

/** In KiB, each file rounded up, as Debian's policy (5.6.20) counts. */
const installedKibibytes = (tree: string): number =>
  filesBelow(tree).reduce((sum, path) => sum + Math.ceil(lstatSync(join(tree, path)).size / 1024), 0);

export interface ControlFields {
  readonly version: string;
  readonly architecture: Architecture;
}

/** @param tree what is installed, without the control files. */
export const controlText = (tree: string, { version, architecture }: ControlFields): string =>
  [
    'Package: tilemesh',
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${maintainer()}`,
    'Section: science',
    'Priority: optional',
    `Installed-Size: ${installedKibibytes(tree)}`,
    `Depends: ${DEPENDS.join(', ')}`,
    'Description: peer-to-peer mesh that runs ONNX networks on many small boards',
    ' Every board runs the same program and there is no head node. Boards find',
    ' each other by multicast DNS; a request may enter at any of them, is cut into',
    ' overlapping tiles, and is answered although boards vanish meanwhile.',
    ' .',
    ' The package brings the Node.js runtime and ONNX Runtime that it runs on, and',
    ' a service that starts with the machine.',
    '',
  ].join('\n');

/** Every file in `/etc` belongs to whoever runs the board. */
export const conffilesText = (tree: string): string =>
  filesBelow(tree)
    .filter((path) => path.startsWith('etc/'))
    .map((path) => `/${path}\n`)
    .join('');

export const checksumsText = (tree: string): string =>
  filesBelow(tree)
    .filter((path) => !path.startsWith('etc/') && lstatSync(join(tree, path)).isFile())
    .map(
      (path) =>
        `${createHash('md5')
          .update(readFileSync(join(tree, path)))
          .digest('hex')}  ${path}\n`,
    )
    .join('');
