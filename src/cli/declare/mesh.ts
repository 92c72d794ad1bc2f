/** Commands about peers and how they are. */
import { Option, type Command } from 'commander';
import type { DoctorOptions } from '../commands/doctor.ts';
import type { EventsOptions } from '../commands/events.ts';
import type { HealthOptions } from '../commands/health.ts';
import type { LogsOptions } from '../commands/logs.ts';
import type { InspectOptions, PingOptions } from '../commands/peer.ts';
import type { DrainOptions } from '../commands/peer-drain.ts';
import type { PeersOptions } from '../commands/peers.ts';
import type { StatusOptions } from '../commands/status.ts';
import type { TopOptions } from '../commands/top.ts';
import type { StartPeer, UpOptions } from '../commands/up.ts';
import { apiOption, examples, jsonOption, numberWithin, parsePort, plainOption } from '../options.ts';
import { addPeerChanges } from './membership.ts';
import type { Terminal } from '../terminal.ts';

export function addUp(program: Command, terminal: Terminal, startPeer: StartPeer): void {
  program
    .command('up')
    .description('start a peer on this machine and keep it running')
    .option('--name <name>', 'what the peer calls itself (default: the name of the machine)')
    .option('--api <address>', 'HOST:PORT of the HTTP API (default: 127.0.0.1:8470)')
    .option('--tls-certificate <file>', 'serve the API by TLS, with this certificate (PEM)')
    .option('--tls-key <file>', 'its private key (PEM)')
    .option('--data <folder>', 'where identity and models are kept')
    .option('--mesh <name>', 'peers of the same mesh find each other (default: "default")')
    .option('--listen <port>', 'TCP port for other peers (default: any)', parsePort)
    .option('--bootstrap <address...>', 'addresses of peers, for networks without multicast')
    .addOption(
      new Option('--membership <level>', 'who may join (default: secret)').choices(['open', 'secret', 'pinned']),
    )
    .option('--new', 'begin a mesh even where there is one to join')
    .option('--config <file>', 'configuration (default: mesh.config.ts where there is one)')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .addOption(jsonOption())
    .addHelpText(
      'before',
      examples([
        'npx tilemesh up',
        'npx tilemesh up --name kitchen --api 0.0.0.0:8470',
        'npx tilemesh up --bootstrap /ip4/192.168.1.20/tcp/4001',
      ]),
    )
    .action(async (options: UpOptions) => {
      const { upCommand } = await import('../commands/up.ts');
      return upCommand(terminal, options, startPeer);
    });
}

export function addPeers(program: Command, terminal: Terminal): void {
  program
    .command('peers')
    .description('who is in the mesh, how fast, how loaded, and what to do when something is wrong')
    .option('-w, --wide', 'all columns: asks every peer how it is')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addOption(plainOption())
    .addHelpText('before', examples(['npx tilemesh peers', 'npx tilemesh peers -w', 'npx tilemesh peers --json']))
    .action(async (options: PeersOptions) => {
      const { peersCommand } = await import('../commands/peers.ts');
      return peersCommand(terminal, options);
    });
}

export function addPeer(program: Command, terminal: Terminal): void {
  const peer = program
    .command('peer')
    .description('one peer: what it says of itself, whether it may be a member, whether it takes work')
    .addHelpText(
      'before',
      examples([
        'npx tilemesh peer inspect kitchen',
        'npx tilemesh peer ping kitchen',
        'npx tilemesh peer ban zwhxh6Bt',
      ]),
    );
  addPeerChanges(peer, terminal);
  peer
    .command('inspect')
    .description('all that a peer says of itself: machine, work, whom it reaches')
    .argument('[peer]', 'name, or the beginning or end of an id (default: the peer that is asked)')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh peer inspect', 'npx tilemesh peer inspect kitchen --json']))
    .action(async (name: string | undefined, options: InspectOptions) => {
      const { inspectCommand } = await import('../commands/peer.ts');
      return inspectCommand(terminal, name, options);
    });
  peer
    .command('drain')
    .description('have the peer that is asked finish what it has and take nothing new, before its board is unplugged')
    .argument('[peer]', 'its name, to be sure which one it is')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh peer drain', 'npx tilemesh peer drain board-7 --api board-7:8470']))
    .action(async (name: string | undefined, options: DrainOptions) => {
      const { peerDrainCommand } = await import('../commands/peer-drain.ts');
      return peerDrainCommand(terminal, name, options);
    });
  peer
    .command('ping')
    .description('how long a question takes from the asked peer to another one and back')
    .argument('<peer>', 'name, or the beginning or end of an id')
    .option('-c, --count <times>', 'how often', numberWithin(1, 100, true), 5)
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh peer ping kitchen', 'npx tilemesh peer ping kitchen -c 50']))
    .action(async (name: string, options: PingOptions) => {
      const { pingCommand } = await import('../commands/peer.ts');
      return pingCommand(terminal, name, options);
    });
}

export function addHealth(program: Command, terminal: Terminal): void {
  program
    .command('health')
    .description('one line; exit code 0 fine, 1 degraded, 2 critical, 3 unreachable')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh health', 'npx tilemesh health || echo "something is wrong"']))
    .action(async (options: HealthOptions) => {
      const { healthCommand } = await import('../commands/health.ts');
      return healthCommand(terminal, options);
    });
}

export function addStatus(program: Command, terminal: Terminal): void {
  program
    .command('status')
    .description('the mesh in a few lines')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh status', 'npx tilemesh status --api board-7:8470']))
    .action(async (options: StatusOptions) => {
      const { statusCommand } = await import('../commands/status.ts');
      return statusCommand(terminal, options);
    });
}

export function addTop(program: Command, terminal: Terminal): void {
  program
    .command('top')
    .description('peers and requests, live, on the whole screen; q ends it')
    .option('--interval <seconds>', 'between two looks', numberWithin(0.2, 60, false), 1)
    .addOption(apiOption())
    .addHelpText('before', examples(['npx tilemesh top', 'npx tilemesh top --interval 5']))
    .action(async (options: TopOptions) => {
      const { topCommand } = await import('../commands/top.ts');
      return topCommand(terminal, options);
    });
}

export function addEvents(program: Command, terminal: Terminal): void {
  program
    .command('events')
    .description('what happened lately: peers that came and went, requests, models')
    .option('-f, --follow', 'go on as things happen')
    .addOption(apiOption())
    .addOption(new Option('--json', 'one JSON document a line'))
    .addOption(plainOption())
    .addHelpText('before', examples(['npx tilemesh events', 'npx tilemesh events --follow']))
    .action(async (options: EventsOptions) => {
      const { eventsCommand } = await import('../commands/events.ts');
      return eventsCommand(terminal, options);
    });
}

export function addLogs(program: Command, terminal: Terminal): void {
  program
    .command('logs')
    .description('the last lines that a peer logged')
    .option('-f, --follow', 'go on as lines are logged')
    .addOption(
      new Option('--level <level>', 'leave out what is less severe')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
        .default('trace'),
    )
    .addOption(apiOption())
    .addOption(new Option('--json', 'one JSON document a line'))
    .addHelpText('before', examples(['npx tilemesh logs', 'npx tilemesh logs --follow --level warn']))
    .action(async (options: LogsOptions) => {
      const { logsCommand } = await import('../commands/logs.ts');
      return logsCommand(terminal, options);
    });
}

export function addDoctor(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .description('finds what is wrong with this machine, its network and the mesh, and says how to mend it')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addOption(plainOption())
    .addHelpText(
      'before',
      examples(['npx tilemesh doctor', 'npx tilemesh doctor --json', 'npx tilemesh doctor --api board-7:8470']),
    )
    .action(async (options: DoctorOptions) => {
      const { doctorCommand } = await import('../commands/doctor.ts');
      return doctorCommand(terminal, options);
    });
}
