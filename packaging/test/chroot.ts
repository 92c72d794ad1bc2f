/** A Debian in a folder, made by debootstrap: what an installed package does to a machine, without that machine. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isProgram } from '../../bench/emulation/system.ts';

const execute = promisify(execFile);
const BOOTSTRAP_DEADLINE_MS = 1_200_000;
const COMMAND_DEADLINE_MS = 300_000;
const SUITE = 'bookworm';

/** What is in the way of making one here; undefined: nothing. */
export async function chrootObstacle(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'a chroot needs root';
  for (const program of ['debootstrap', 'dpkg-deb', 'unshare', 'setpriv']) {
    if (!(await isProgram(program))) return `"${program}" is not installed`;
  }
  return undefined;
}

/** No terminal, no questions, nothing of this machine's environment but how to reach the network. */
export function environment(): NodeJS.ProcessEnv {
  const proxies = Object.entries(process.env).filter(([name]) => /^(?:https?|no)_proxy$/i.test(name));
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return { ...Object.fromEntries(proxies), PATH: path, HOME: '/root', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
}

export class Chroot {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** @param packages what is in it besides the smallest Debian. @throws Error with what debootstrap printed last. */
  static async create(packages: readonly string[] = []): Promise<Chroot> {
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-chroot-'));
    try {
      // A root folder that users may enter, unlike one for a temporary.
      await chmod(folder, 0o755);
      // In a mount namespace, as debootstrap mounts a /proc, which would stay if it were ended half-way.
      const include = packages.length === 0 ? [] : [`--include=${packages.join(',')}`];
      const words = ['--mount', 'debootstrap', '--variant=minbase', ...include, SUITE, folder];
      await execute('unshare', words, { timeout: BOOTSTRAP_DEADLINE_MS });
      return new Chroot(folder);
    } catch (cause) {
      const { stdout = '' } = cause as { readonly stdout?: string };
      await rm(folder, { recursive: true, force: true });
      throw new Error(`debootstrap failed: ${stdout.trim().split('\n').slice(-3).join('; ')}`, { cause });
    }
  }

  /** One that something else has made. */
  static of(folder: string): Chroot {
    return new Chroot(folder);
  }

  /** One more like it, as of a card that is written from the same image. */
  async copy(): Promise<Chroot> {
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-chroot-'));
    await execute('cp', ['--archive', '--reflink=auto', `${this.folder}/.`, folder]);
    return new Chroot(folder);
  }

  path(inside: string): string {
    return join(this.folder, inside);
  }

  /** The words that run a command inside, with a `/proc` that goes when it ends. */
  command(...words: readonly string[]): readonly string[] {
    const enter = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"';
    return ['unshare', '--mount', 'sh', '-c', enter, this.folder, ...words];
  }

  /** Standard output of a command inside. @throws Error with what it printed. */
  async run(...words: readonly string[]): Promise<string> {
    return this.runWith([], ...words);
  }

  /** @param prefix words before the whole, which put it into a network. */
  async runWith(prefix: readonly string[], ...words: readonly string[]): Promise<string> {
    const [file, ...args] = [...prefix, ...this.command(...words)];
    try {
      const options = { env: environment(), timeout: COMMAND_DEADLINE_MS, maxBuffer: 2 ** 26 };
      return (await execute(file!, args, options)).stdout;
    } catch (cause) {
      const { stdout = '', stderr = '' } = cause as { readonly stdout?: string; readonly stderr?: string };
      throw new Error(`${words.join(' ')}: ${(stdout + stderr).trim()}`, { cause });
    }
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** The directives of a unit file, by name; a name may come several times. */
export async function readUnit(path: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const directives = new Map<string, string[]>();
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    const [, name, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined) directives.set(name, [...(directives.get(name) ?? []), value!]);
  }
  return directives;
}
