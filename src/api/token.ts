/**
 * The secret with which programs show that they may use the API from elsewhere, or administer the mesh. It lies in the data
 * folder for whoever may read that.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError } from '../core/errors.ts';

const FILE = 'api.token';
const TOKEN_BYTES = 24;

/** The token in the folder, without line end; null: there is none. */
export async function readApiToken(folder: string): Promise<string | null> {
  const text = await readFile(join(folder, FILE), 'utf8').catch(() => '');
  return text.trim() === '' ? null : text.trim();
}

/** The configured one, or that of the folder, made the first time. @throws MeshError STORAGE_FAILED */
export async function loadApiToken(folder: string, configured: string): Promise<string> {
  if (configured !== '') return configured;
  return (await readApiToken(folder)) ?? (await replaceApiToken(folder));
}

/** A new one; the one before is worth nothing from the peer's next start on. @throws MeshError STORAGE_FAILED */
export async function replaceApiToken(folder: string): Promise<string> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, FILE), `${token}\n`, { mode: 0o600, flush: true });
  } catch (cause) {
    throw new MeshError('STORAGE_FAILED', `the data folder ${folder} cannot be written: name another with --data`, {
      cause,
    });
  }
  return token;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares in constant time, whatever the lengths. */
export const isSameToken = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other));
