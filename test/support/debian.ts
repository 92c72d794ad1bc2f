/**
 * Programs and libraries of Debian that tests use where they can be had: those of this machine, or the packages unpacked into a
 * folder of this repository that is not committed. Nothing is installed.
 */
import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CACHE = path.resolve(import.meta.dirname, '../../node_modules/.cache/tilemesh-debian');
const PATIENCE_MS = 120_000;

/** Where the packages were unpacked, `usr/bin` and so on below it; or why they cannot be had. */
export type Unpacked = { readonly folder: string } | { readonly missing: string };

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/** The packages that installing some would bring to this machine, themselves among them. */
async function missingPackages(wanted: readonly string[]): Promise<string[]> {
  const options = ['install', '--simulate', '--no-install-recommends', ...wanted];
  const { stdout } = await run('apt-get', options, { timeout: PATIENCE_MS });
  return [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!);
}

/**
 * @param name of the folder that the packages share
 * @param resolve what is downloaded for `wanted`: just that, or what it needs and is not here, too
 */
export async function unpackDebian(
  name: string,
  wanted: readonly string[],
  resolve: 'alone' | 'with-dependencies',
): Promise<Unpacked> {
  const folder = path.join(CACHE, name);
  if (await isThere(folder)) return { folder };
  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(path.join(CACHE, 'draft-'));
  try {
    const options = { cwd: draft, timeout: PATIENCE_MS };
    const packages = resolve === 'alone' ? wanted : await missingPackages(wanted);
    await mkdir(path.join(draft, 'root'));
    if (packages.length > 0) await run('apt-get', ['download', ...packages], options);
    for (const file of await readdir(draft)) {
      if (file.endsWith('.deb')) await run('dpkg-deb', ['-x', file, 'root'], options);
    }
    await rename(path.join(draft, 'root'), folder);
    return { folder };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n', 1)[0]! : String(error);
    return { missing: `${wanted.join(', ')} cannot be had: ${reason}` };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** The program of that name: this machine's, or a Debian package's. */
export async function debianProgram(
  program: string,
  fromPackage: string,
): Promise<Unpacked & { readonly program?: string }> {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    if (folder !== '' && (await isThere(path.join(folder, program)))) {
      return { folder, program: path.join(folder, program) };
    }
  }
  const unpacked = await unpackDebian(fromPackage, [fromPackage], 'alone');
  return 'missing' in unpacked ? unpacked : { ...unpacked, program: path.join(unpacked.folder, 'usr/bin', program) };
}
