/** npm as packages are built with it: for another kind of processor than this machine's, without other packages' scripts. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const DEADLINE_MS = 900_000;
const QUIET = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];

/** @throws Error when npm fails; what npm says of it goes to stderr. */
const npm = (folder: string, ...args: readonly string[]): void =>
  void execFileSync('npm', [...args, ...QUIET], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: DEADLINE_MS,
  });

/** @param cpu as Node says it: `arm64`, `x64`. */
const target = (cpu: string): readonly string[] => ['--os=linux', `--cpu=${cpu}`, '--libc=glibc', '--ignore-scripts'];

/** Installs what the lock file in `folder` names for production, and nothing else. */
export const installProduction = (folder: string, cpu: string): void => npm(folder, 'ci', '--omit=dev', ...target(cpu));

/**
 * Installs packages in `folder`; forced, as npm refuses those for other processors.
 * @param specifiers each `NAME@VERSION`.
 */
export const installPackages = (folder: string, cpu: string, specifiers: readonly string[]): void =>
  npm(
    folder,
    'install',
    `--prefix=${folder}`,
    '--force',
    '--no-save',
    '--no-package-lock',
    ...target(cpu),
    ...specifiers,
  );

/**
 * Builds the package of a checkout, as it would be published.
 * @param destination an empty folder.
 * @returns the path of the archive.
 */
export function packCheckout(root: string, destination: string): string {
  npm(root, 'pack', `--pack-destination=${destination}`);
  const [archive, ...others] = readdirSync(destination).filter((name) => name.endsWith('.tgz'));
  if (archive === undefined || others.length > 0) throw new Error(`npm pack left no single archive in ${destination}`);
  return join(destination, archive);
}
