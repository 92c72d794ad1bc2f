/** `tilemesh join`: takes the invitation of a mesh for the peer of this data folder. */
import { howToStart, serviceOf } from '../service.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean } from '../text.ts';

export interface JoinCommandOptions {
  readonly name?: string;
  readonly data?: string;
  readonly bootstrap?: readonly string[];
  readonly config?: string;
  /** Leave the mesh that the folder belongs to. */
  readonly again?: true;
  readonly json?: true;
}

export interface JoinRequest {
  readonly token: string;
  readonly overrides: object;
  readonly configFile?: string;
  readonly again: boolean;
  readonly signal: AbortSignal;
}

/** @throws MeshError of any code. */
export type JoinMesh = (request: JoinRequest) => Promise<{ readonly mesh: string; readonly data: string }>;

export async function joinCommand(
  terminal: Terminal,
  token: string,
  options: JoinCommandOptions,
  joinMesh: JoinMesh,
): Promise<void> {
  const { name, data, bootstrap, config, again } = options;
  if (!options.json) terminal.err('looking for the peer that issued this invitation\n');
  const joined = await joinMesh({
    token,
    overrides: {
      ...(name === undefined ? {} : { name }),
      ...(data === undefined ? {} : { data }),
      ...(bootstrap === undefined ? {} : { discovery: { bootstrap } }),
    },
    ...(config === undefined ? {} : { configFile: config }),
    again: again === true,
    signal: terminal.interrupted,
  });
  if (options.json) writeJson(terminal, 'join/1', joined);
  else {
    const start = serviceOf() === undefined ? ` Start it with "${howToStart()}".` : '';
    terminal.out(`This board belongs to the mesh ${clean(joined.mesh)} now.${start}\n`);
  }
}
