/**
 * Which data folder belongs to the peer that this user started at a port of this machine, so that commands find its token
 * wherever it keeps its data: `~/.tilemesh/.peers/PORT` holds the path.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isLoopback } from '../api/guard.ts';
import { thisMachine } from '../config/defaults.ts';

const folderOf = (home: string): string => join(home, '.tilemesh', '.peers');

const portOf = ({ port, protocol }: URL): string => port || (protocol === 'https:' ? '443' : '80');

/** A home folder that cannot be written is no failure: commands are told the folder by TILEMESH_DATA then. */
export async function rememberOwnPeer(url: URL, dataFolder: string, home = thisMachine().home): Promise<void> {
  try {
    await mkdir(folderOf(home), { recursive: true, mode: 0o700 });
    await writeFile(join(folderOf(home), portOf(url)), dataFolder, { mode: 0o600 });
  } catch {
    // See above.
  }
}

/** Null for peers of other machines, and those that this user did not start. */
export async function ownPeerFolder(url: URL, home = thisMachine().home): Promise<string | null> {
  if (!isLoopback(url.hostname)) return null;
  const folder = await readFile(join(folderOf(home), portOf(url)), 'utf8').catch(() => '');
  return folder === '' ? null : folder;
}
