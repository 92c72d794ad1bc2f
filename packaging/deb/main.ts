/** `npm run package:deb -- --arch arm64`: builds the Debian package into `packaging/deb/out` and prints its path. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readPackageJson } from './application.ts';
import { ARCHITECTURES, isArchitecture, type Architecture } from './architecture.ts';
import { buildPackage } from './build.ts';

const ROOT = join(import.meta.dirname, '../..');
const USAGE = `usage: npm run package:deb -- --arch ${Object.keys(ARCHITECTURES).join('|')} [--revision N] [--output DIR] [--fast]`;

class UsageError extends Error {}

interface Arguments {
  readonly architecture: Architecture;
  readonly revision: number;
  readonly output: string;
  readonly isFast: boolean;
}

function parse(args: readonly string[]): Arguments {
  const options = {
    arch: { type: 'string' },
    revision: { type: 'string', default: '1' },
    output: { type: 'string', default: join(ROOT, 'packaging/deb/out') },
    fast: { type: 'boolean', default: false },
  } as const;
  let values;
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const { arch = '', revision, output, fast } = values;
  if (!isArchitecture(arch))
    throw new UsageError(`--arch "${arch}" is none of ${Object.keys(ARCHITECTURES).join(', ')}`);
  if (!/^[1-9]\d{0,5}$/.test(revision)) throw new UsageError(`--revision "${revision}" is no whole number above 0`);
  return { architecture: arch, revision: Number(revision), output: resolve(output), isFast: fast };
}

function build(args: readonly string[]): string {
  const { architecture, revision, output, isFast } = parse(args);
  if (spawnSync('dpkg-deb', ['--version']).status !== 0) {
    throw new Error('there is no dpkg-deb here: on Debian or Ubuntu it is there, elsewhere install the package dpkg');
  }
  const workplace = mkdtempSync(join(tmpdir(), 'tilemesh-deb-'));
  try {
    return buildPackage({
      root: ROOT,
      architecture,
      version: `${readPackageJson(ROOT).version}-${revision}`,
      compression: isFast ? 'gzip' : 'xz',
      output,
      workplace,
    });
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
}

try {
  console.log(build(process.argv.slice(2)));
} catch (error) {
  const isUsage = error instanceof UsageError;
  console.error(`package:deb: ${error instanceof Error ? error.message : String(error)}${isUsage ? `; ${USAGE}` : ''}`);
  process.exitCode = isUsage ? 2 : 1;
}
