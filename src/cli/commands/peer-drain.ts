/** `tilemesh peer drain`: a peer finishes what it has and takes nothing new, so that its board can be unplugged. */
import type { MemberView } from '../../api/port.ts';
import { MeshError } from '../../core/errors.ts';
import { getJson, parseApiUrls, sendJson } from '../client.ts';
import { EXIT, ExitWith } from '../exit.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { asInstalled } from '../service.ts';
import { clean } from '../text.ts';
import { findPeer } from './peer.ts';

export interface DrainOptions {
  readonly api: string;
  readonly json?: true;
}

/** The longest that a peer can be configured to drain is an hour; this is a little more. */
const PATIENCE_MS = 61 * 60_000;

/**
 * A peer is drained by whoever has its token, so by none but the one that is asked.
 * @throws MeshError INVALID_ARGUMENT for another one; ExitWith when it did not finish in time.
 */
export async function peerDrainCommand(
  terminal: Terminal,
  name: string | undefined,
  { api, json }: DrainOptions,
): Promise<void> {
  const urls = parseApiUrls(api).slice(0, 1);
  const { peers } = (await getJson(urls, '/tilemesh/v1/peers', terminal.interrupted)) as {
    readonly peers: readonly MemberView[];
  };
  const member = name === undefined ? peers.find(({ isSelf }) => isSelf) : findPeer(peers, name);
  if (member === undefined) throw new MeshError('NOT_FOUND', 'the peer that was asked is no member of its mesh');
  const shown = clean(member.name);
  if (!member.isSelf) {
    const advice = asInstalled('type "npx tilemesh peer drain" on its board, or name its API with --api');
    throw new MeshError(
      'INVALID_ARGUMENT',
      `${shown} is not the peer that is asked, and drains for nobody else: ${advice}`,
    );
  }
  if (!json) terminal.err(`${shown} takes nothing new and finishes what it has\n`);
  const path = '/tilemesh/v1/admin/draining';
  const answer = await sendJson(urls, 'PUT', path, terminal.interrupted, PATIENCE_MS);
  const { isDone } = answer as { readonly isDone: boolean };
  if (json) writeJson(terminal, 'peer-drain/1', { peer: member.id, name: member.name, isDone });
  else if (isDone)
    terminal.out(`${shown} has nothing in hand: stop or unplug it. Started anew, it takes requests again\n`);
  else terminal.out(`${shown} is not done in time: what is left is handed over when it stops\n`);
  if (!isDone) throw new ExitWith(EXIT.failed);
}
