/** The command line: all commands. What one needs is loaded when it runs, so that the others start fast. */
import { Command, Option } from 'commander';
import type { StartPeer } from './commands/up.ts';
import {
  addDoctor,
  addEvents,
  addHealth,
  addLogs,
  addPeer,
  addPeers,
  addStatus,
  addTop,
  addUp,
} from './declare/mesh.ts';
import { addMembership } from './declare/membership.ts';
import { addPlan, addSimulate, addVerify } from './declare/paper.ts';
import { addCompletion, addConfig } from './declare/settings.ts';
import { addBench, addImport, addModels, addPull, addRemove, addRequests, addRun, addTrace } from './declare/work.ts';
import { examples } from './options.ts';
import type { Terminal } from './terminal.ts';

/** What commander says in several lines, in one. */
const usageLine = (text: string): string =>
  `tilemesh: ${text.replace(/^error: |\.?\s*$/g, '').replaceAll(/\s*\n\s*/g, ' ')}: --help shows how\n`;

export function createProgram(terminal: Terminal, version: string, startPeer: StartPeer): Command {
  const program = new Command('tilemesh')
    .description('A peer-to-peer mesh that runs convolutional networks on a heap of small boards, with no head node.')
    .version(version)
    .addOption(
      new Option('--ca <file>', 'certificate (PEM) of the authority to trust, where peers are asked by https').env(
        'TILEMESH_CA',
      ),
    )
    .hook('preAction', async (command) => {
      const { ca } = command.opts<{ readonly ca?: string }>();
      if (ca === undefined || ca === '') return;
      const { trustAuthority } = await import('./authority.ts');
      await trustAuthority(ca);
    })
    .exitOverride()
    .configureOutput({
      writeOut: terminal.out,
      writeErr: terminal.err,
      outputError: (text, write) => write(usageLine(text)),
    })
    .addHelpText(
      'before',
      examples([
        'npx tilemesh up                        start a peer; it finds the others by itself',
        'npx tilemesh run lenet5 digit.png      ask the nearest peer',
        'npx tilemesh peers                     who is here, how fast, how loaded',
        'npx tilemesh doctor                    what is wrong, and how to mend it',
      ]),
    );
  addUp(program, terminal, startPeer);
  addRun(program, terminal);
  addBench(program, terminal);
  addHealth(program, terminal);
  addStatus(program, terminal);
  addPeers(program, terminal);
  addPeer(program, terminal);
  addMembership(program, terminal);
  addTop(program, terminal);
  addDoctor(program, terminal);
  addRequests(program, terminal);
  addTrace(program, terminal);
  addEvents(program, terminal);
  addLogs(program, terminal);
  addModels(program, terminal);
  addImport(program, terminal);
  addPull(program, terminal);
  addRemove(program, terminal);
  addVerify(program, terminal);
  addPlan(program, terminal);
  addSimulate(program, terminal);
  addConfig(program, terminal);
  addCompletion(program, terminal);
  return program;
}
