/** `tilemesh token`: the secret that lets programs on other machines use a peer's API. */
import { loadApiToken, readApiToken, replaceApiToken } from '../../api/token.ts';
import { parseApiUrls } from '../client.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { dataFolderOf } from '../token.ts';

export interface TokenOptions {
  /** Of a peer of this machine: whose token. */
  readonly api: string;
  readonly data?: string;
  readonly new?: true;
  readonly json?: true;
}

export async function tokenCommand(terminal: Terminal, options: TokenOptions): Promise<void> {
  const folder = options.data ?? (await dataFolderOf(parseApiUrls(options.api)[0]!, process.env));
  const hadOne = (await readApiToken(folder)) !== null;
  const token = options.new ? await replaceApiToken(folder) : await loadApiToken(folder, '');
  if (options.json) writeJson(terminal, 'token/1', { token, data: folder });
  else terminal.out(`${token}\n`);
  if (options.new && hadOne) terminal.err('A peer that runs takes it from its next start on.\n');
}
