/** The program as it lies in `/usr/lib/tilemesh`: the published package, what it depends on, and a Node of its own. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installPackages, installProduction, packCheckout } from '../npm.ts';
import { ARCHITECTURES, type Architecture } from './architecture.ts';
import { trim } from './trim.ts';

export interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly description: string;
}

export const readPackageJson = (folder: string): PackageJson =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageJson;

/** Lays the program out in `folder`, which is made. Needs npm and its registry. */
export function layApplication(root: string, folder: string, architecture: Architecture): void {
  const workplace = mkdtempSync(join(tmpdir(), 'tilemesh-deb-'));
  try {
    mkdirSync(folder, { recursive: true });
    const archive = packCheckout(root, workplace);
    const unwanted = [
      '--exclude=*.map',
      '--exclude=*.d.ts',
      '--exclude=mesh.config.ts',
      '--exclude=README.md',
      '--exclude=CHANGELOG.md',
    ];
    execFileSync('tar', ['-xzf', archive, '--strip-components=1', ...unwanted, '-C', folder]);
    for (const name of ['package-lock.json', '.npmrc']) copyFileSync(join(root, name), join(folder, name));
    installProduction(folder, ARCHITECTURES[architecture].node);
    for (const name of ['package-lock.json', '.npmrc']) rmSync(join(folder, name));
    trim(join(folder, 'node_modules'), architecture);
    layRuntime(root, workplace, folder, architecture);
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
}

/** The Node that the checkout pins, and its licence. */
function layRuntime(root: string, workplace: string, folder: string, architecture: Architecture): void {
  const { node, runtime } = ARCHITECTURES[architecture];
  const { version } = readPackageJson(join(root, 'node_modules/node'));
  installPackages(workplace, node, [`${runtime}@${version}`]);
  const installed = join(workplace, 'node_modules', runtime);
  copyFileSync(join(installed, 'bin/node'), join(folder, 'bin/node'));
  copyFileSync(join(installed, 'LICENSE'), join(folder, 'bin/LICENSE.node'));
}
