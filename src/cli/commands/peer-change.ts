/** `tilemesh peer`: who may be a member. */
import type { MembershipView } from '../../api/membership-port.ts';
import { getJson, parseApiUrls, postJson } from '../client.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { asInstalled } from '../service.ts';
import { clean, plural } from '../text.ts';

export interface PeerOptions {
  readonly api: string;
  readonly json?: true;
}

export type PeerChange = 'trust' | 'ban' | 'unban' | 'rotate';

const DONE: Readonly<Record<PeerChange, string>> = {
  trust: 'is approved',
  ban: 'is banned: every member refuses it from now on, and the key it knew lets nobody new in',
  unban: 'may join again: invite it',
  rotate: 'the mesh has a new key; members that are switched off get it when they return within a week',
};

export async function peerChangeCommand(
  terminal: Terminal,
  change: PeerChange,
  peer: string | undefined,
  { api, json }: PeerOptions,
): Promise<void> {
  const body = peer === undefined ? {} : { peer };
  const answer = await postJson(parseApiUrls(api), `/tilemesh/v1/admin/${change}`, body, terminal.interrupted);
  const { peer: named } = answer as { readonly peer?: string };
  if (json) writeJson(terminal, `peer-${change}/1`, answer as object);
  else terminal.out(`${named === undefined ? '' : `${clean(named)} `}${DONE[change]}\n`);
}

export async function peerListCommand(terminal: Terminal, { api, json }: PeerOptions): Promise<void> {
  const view = (await getJson(
    parseApiUrls(api),
    '/tilemesh/v1/admin/membership',
    terminal.interrupted,
  )) as MembershipView;
  if (json) writeJson(terminal, 'peer-list/1', view);
  else terminal.out(renderMembership(view));
}

function renderMembership({
  mesh,
  level,
  isAdministrator,
  invitations,
  pending,
  trusted,
  banned,
}: MembershipView): string {
  const who = isAdministrator ? 'administered here' : 'administered elsewhere';
  const lines = [`mesh ${clean(mesh)}, level ${clean(level)}, ${who}, ${plural(invitations, 'invitation')} out`];
  for (const { peer } of pending) {
    const id = clean(peer);
    lines.push(`waits for approval  ${id}  (${asInstalled('npx tilemesh peer trust')} ${id})`);
  }
  lines.push(...trusted.map((peer) => `approved            ${clean(peer)}`));
  lines.push(...banned.map((peer) => `banned              ${clean(peer)}`));
  return `${lines.join('\n')}\n`;
}
