/** The token that a command shows to a peer: named in the environment, or the one that a peer of this machine keeps. */
import { defaultDataFolder, defaultsFor, thisMachine } from '../config/defaults.ts';
import { readApiToken } from '../api/token.ts';
import { isLoopback } from '../api/guard.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a peer that is started in this environment keeps its data. */
export function dataFolderOf(env: Environment): string {
  const machine = thisMachine();
  const { TILEMESH_DATA: folder, TILEMESH_NAME: name } = env;
  return folder ?? defaultDataFolder(machine, name ?? defaultsFor(machine).name);
}

/** Undefined: there is none. A token from a file goes to this machine only: another would learn it. */
export async function tokenFor(url: URL, env: Environment = process.env): Promise<string | undefined> {
  const { TILEMESH_API_TOKEN: named } = env;
  if (named !== undefined && named !== '') return named;
  if (!isLoopback(url.hostname)) return undefined;
  return (await readApiToken(dataFolderOf(env))) ?? undefined;
}
