/** Commands about who belongs to the mesh and who may use its API. */
import type { Command } from 'commander';
import type { InviteOptions } from '../commands/invite.ts';
import type { JoinCommandOptions } from '../commands/join.ts';
import type { PeerChange, PeerOptions } from '../commands/peer-change.ts';
import type { TokenOptions } from '../commands/token.ts';
import { apiOption, examples, jsonOption } from '../options.ts';
import type { Terminal } from '../terminal.ts';

export function addMembership(program: Command, terminal: Terminal): void {
  program
    .command('invite')
    .description('let one more board join the mesh: prints a token for "tilemesh join" there')
    .option('--admin', 'it may administer the mesh, too')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh invite']))
    .action(async (options: InviteOptions) => {
      const { inviteCommand } = await import('../commands/invite.ts');
      return inviteCommand(terminal, options);
    });
  program
    .command('join')
    .description('make this board a member of the mesh that an invitation comes from')
    .argument('<token>', 'what "tilemesh invite" printed')
    .option('--name <name>', 'what the peer calls itself (default: the name of the machine)')
    .option('--data <folder>', 'where identity and models are kept')
    .option('--bootstrap <address...>', 'address of the board that issued it, for networks without multicast')
    .option('--config <file>', 'configuration (default: mesh.config.ts where there is one)')
    .option('--again', 'leave the mesh that this board belongs to')
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh join 7K2M-9QXD-R4TW']))
    .action(async (token: string, options: JoinCommandOptions) => {
      const [{ joinCommand }, { joinMesh }] = await Promise.all([
        import('../commands/join.ts'),
        import('../join-mesh.ts'),
      ]);
      await joinCommand(terminal, token, options, joinMesh);
    });
  program
    .command('token')
    .description("print the token with which other machines use this board's API, made the first time")
    .option('--data <folder>', 'where identity and models are kept')
    .option('--new', 'replace it')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText(
      'before',
      examples(['npx tilemesh token', 'TILEMESH_API_TOKEN=... npx tilemesh peers --api board-7:8470']),
    )
    .action(async (options: TokenOptions) => {
      const { tokenCommand } = await import('../commands/token.ts');
      return tokenCommand(terminal, options);
    });
}

const CHANGES: readonly { readonly change: PeerChange; readonly argument: boolean; readonly description: string }[] = [
  { change: 'trust', argument: true, description: 'approve a peer that waits for it' },
  { change: 'ban', argument: true, description: 'shut a peer out of the mesh, and replace the key that it knows' },
  { change: 'unban', argument: true, description: 'let it be invited again' },
  { change: 'rotate', argument: false, description: "replace the mesh's key while everything runs" },
];

/** Sub-commands of `peer`. */
export function addPeerChanges(peer: Command, terminal: Terminal): void {
  for (const { change, argument, description } of CHANGES) {
    const command = peer.command(change).description(description);
    if (argument) command.argument('<id>', 'as "tilemesh peers" shows it, or the whole of it');
    command
      .addOption(apiOption())
      .addOption(jsonOption())
      .addHelpText('before', examples([`npx tilemesh peer ${change}${argument ? ' zwhxh6Bt' : ''}`]))
      .action(async (...given: readonly unknown[]) => {
        const { peerChangeCommand } = await import('../commands/peer-change.ts');
        const [id, options] = argument ? (given as [string, PeerOptions]) : [undefined, given[0] as PeerOptions];
        return peerChangeCommand(terminal, change, id, options);
      });
  }
  peer
    .command('list', { isDefault: true })
    .description('level, invitations, peers that wait for approval, banned ones')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh peer list', 'npx tilemesh peer list --json']))
    .action(async (options: PeerOptions) => {
      const { peerListCommand } = await import('../commands/peer-change.ts');
      return peerListCommand(terminal, options);
    });
}
