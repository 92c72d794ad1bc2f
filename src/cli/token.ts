/** The token that a command shows to a peer: named in the environment, or the one that a peer of this machine keeps. */
import { defaultDataFolder, defaultsFor, thisMachine } from '../config/defaults.ts';
import { readApiToken } from '../api/token.ts';
import { isLoopback } from '../api/guard.ts';
import { ownPeerFolder } from './own-peers.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const orUndefined = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/** Where the peer at an address of this machine keeps its data, or would keep it if it were started in this environment. */
export async function dataFolderOf(url: URL, env: Environment): Promise<string> {
  const machine = thisMachine();
  const { TILEMESH_DATA: folder, TILEMESH_NAME: name } = env;
  const named = orUndefined(folder) ?? (await ownPeerFolder(url));
  return named ?? defaultDataFolder(machine, orUndefined(name) ?? defaultsFor(machine).name);
}

/** Undefined: there is none. A token from a file goes to this machine only: another would learn it. */
export async function tokenFor(url: URL, env: Environment = process.env): Promise<string | undefined> {
  const { TILEMESH_API_TOKEN: named } = env;
  if (named !== undefined && named !== '') return named;
  if (!isLoopback(url.hostname)) return undefined;
  return (await readApiToken(await dataFolderOf(url, env))) ?? undefined;
}
