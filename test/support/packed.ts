/** The package as others get it: built, packed and unpacked into a folder of its own. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = path.resolve(import.meta.dirname, '../..');

export interface Packed {
  readonly tarball: string;
  /** A program's folder: what it imports from `tilemesh` is the package, other packages are those of this repository. */
  readonly folder: string;
}

/** @param folder an empty one */
export async function packInto(folder: string): Promise<Packed> {
  const source = path.join(folder, 'source');
  await mkdir(source);
  const { files } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')) as {
    readonly files: readonly string[];
  };
  const roots = new Set([
    'package.json',
    ...files.map((file) => file.split('/')[0]!).filter((file) => file !== 'dist'),
  ]);
  for (const root of roots) {
    await cp(path.join(ROOT, root), path.join(source, root), { recursive: true });
  }
  await run('tsc', ['-p', path.join(ROOT, 'tsconfig.build.json'), '--outDir', path.join(source, 'dist')]);
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: source });
  const tarball = path.join(
    folder,
    (await readdir(folder)).find((file) => file.endsWith('.tgz'))!,
  );

  const program = path.join(folder, 'program');
  const modules = path.join(program, 'node_modules');
  await mkdir(path.join(modules, 'tilemesh'), { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', path.join(modules, 'tilemesh'), '--strip-components=1']);
  for (const name of await readdir(path.join(ROOT, 'node_modules'))) {
    if (!name.startsWith('.')) await symlink(path.join(ROOT, 'node_modules', name), path.join(modules, name));
  }
  return { tarball, folder: program };
}
