/** `tilemesh invite`: a token with which one more board joins the mesh. */
import { parseApiUrls, postJson } from '../client.ts';
import { howToJoin } from '../service.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean } from '../text.ts';

export interface InviteOptions {
  readonly api: string;
  readonly admin?: true;
  readonly json?: true;
}

export interface InvitationText {
  readonly token: string;
  readonly expiresAtMs: number;
}

export async function inviteCommand(terminal: Terminal, { api, admin, json }: InviteOptions): Promise<void> {
  const body = { admin: admin === true };
  const answer = await postJson(parseApiUrls(api), '/tilemesh/v1/admin/invitations', body, terminal.interrupted);
  const invitation = answer as InvitationText;
  if (json) writeJson(terminal, 'invite/1', invitation);
  else terminal.out(renderInvitation(invitation));
}

export const renderInvitation = ({ token, expiresAtMs }: InvitationText): string => {
  const minutes = Math.max(1, Math.round((expiresAtMs - Date.now()) / 60_000));
  const lines = howToJoin(clean(token)).map((line) => `  ${line}\n`);
  return `On the other board, within ${minutes} minutes:\n\n${lines.join('')}\n`;
};
