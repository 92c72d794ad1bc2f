/**
 * Who a peer is, for good: an Ed25519 key in its data folder. And the lock on that folder, because two processes with one
 * identity would be one peer with two minds.
 */
import { randomUUID } from 'node:crypto';
import { link, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { MeshError } from '../core/errors.ts';
import { makeFolder } from './make-folder.ts';

const KEY_FILE = 'identity.key';
const LOCK_FILE = 'peer.lock';

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

async function readIfPresent(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Creates a file with its content in one step: readers see all of it or no file. False: there is one already. */
async function createWhole(path: string, content: string | Uint8Array): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, content, { mode: 0o600, flag: 'wx', flush: true });
    await link(draft, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** @throws MeshError STORAGE_FAILED when the folder cannot be read or written. */
async function stored<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MeshError) throw error;
    const message = `the data folder ${folder} cannot be used: check that it exists, is writable and has space, or name another with --data`;
    throw new MeshError('STORAGE_FAILED', message, { cause: error });
  }
}

/**
 * The peer's key from `folder`, made and stored (mode 0600) the first time.
 * @throws MeshError STORAGE_FAILED, also when the stored key is damaged.
 */
export function loadIdentity(folder: string): Promise<PrivateKey> {
  const path = join(folder, KEY_FILE);
  return stored(folder, async () => {
    await makeFolder(folder, 0o700);
    let bytes = await readIfPresent(path);
    if (bytes === null) {
      await createWhole(path, privateKeyToProtobuf(await generateKeyPair('Ed25519')));
      bytes = await readFile(path);
    }
    try {
      return privateKeyFromProtobuf(bytes);
    } catch (cause) {
      const message = `${path} is damaged: restore it from a copy, or delete it to give this peer a new identity`;
      throw new MeshError('STORAGE_FAILED', message, { cause });
    }
  });
}

export interface FolderLock {
  release(): Promise<void>;
}

/** When a process started, in clock ticks since boot, where the system tells: process ids are used again, these are not. */
async function startOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

async function isRunning(pid: number, start: string): Promise<boolean> {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
  const now = await startOf(pid);
  return start === '' || now === '' || start === now;
}

/**
 * Claims the data folder for this process. The lock of a process that is gone is taken over.
 * @throws MeshError DATA_FOLDER_IN_USE naming the process that holds it, STORAGE_FAILED.
 */
export function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, LOCK_FILE);
  return stored(folder, async () => {
    await makeFolder(folder, 0o700);
    const claim = `${process.pid} ${await startOf(process.pid)} ${randomUUID()}\n`;
    for (let attempt = 0; attempt < 8; attempt++) {
      if (await createWhole(path, claim)) return { release: () => release(path, claim) };
      const holder = Buffer.from((await readIfPresent(path)) ?? []).toString();
      const [pid, start] = holder.split(' ');
      if (holder !== '' && (await isRunning(Number(pid), start ?? ''))) throw inUse(folder, Number(pid));
      // Between this look and the removal another process may have taken over: remove only what was read.
      if (holder !== '') await release(path, holder);
    }
    throw inUse(folder, 0);
  });
}

async function release(path: string, claim: string): Promise<void> {
  const content = await readIfPresent(path);
  if (content !== null && Buffer.from(content).toString() === claim) await unlink(path).catch(() => undefined);
}

const inUse = (folder: string, pid: number): MeshError =>
  new MeshError(
    'DATA_FOLDER_IN_USE',
    `the data folder ${folder} is used by another peer${pid > 0 ? ` (process ${pid})` : ''}: stop that peer, or give this one a folder of its own with --data`,
    { details: { folder, pid } },
  );
