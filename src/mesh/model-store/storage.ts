/** Files that are either there and whole, or not there. Every failure of the file system becomes one clear error. */
import { open, rename, rm } from 'node:fs/promises';
import { MeshError } from '../../core/errors.ts';

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free some space, or remove a model',
  EDQUOT: 'the disk quota is used up: free some space, or remove a model',
  EACCES: 'access is denied: give this user the right to write there, or choose another folder with --data',
  EPERM: 'access is denied: give this user the right to write there, or choose another folder with --data',
  EROFS: 'the file system is read-only: choose another folder with --data',
  EIO: 'the disk reports an error: check it, and choose another folder with --data',
  EMFILE: 'too many files are open: raise the limit (ulimit -n)',
};

/** What went wrong on disk, with advice; what is a `MeshError` already stays as it is. */
export function storageError(error: unknown, what: string): MeshError {
  if (error instanceof MeshError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const advice = ADVICE[code] ?? `${error instanceof Error ? error.message : String(error)}: check the data folder`;
  return new MeshError('STORAGE_FAILED', `cannot ${what}: ${advice}`, { cause: error, details: { code } });
}

/** The result of `action`. @throws MeshError STORAGE_FAILED for whatever it throws that is not a `MeshError`. */
export async function onDisk<Result>(what: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    throw storageError(error, what);
  }
}

/** Replaces the file at `path` so that a reader, or a restart after a crash, finds either the old bytes or the new ones. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const draft = `${path}.new`;
  try {
    await writeSynced(draft, bytes);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Writes a file, and returns when the disk has it. */
export async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
