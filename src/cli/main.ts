/** The entry of the command line: arguments in, exit code out. */
import { CommanderError } from 'commander';
import { describeFailure, EXIT, ExitWith } from './exit.ts';
import { createProgram } from './program.ts';
import { startPeer } from './start-peer.ts';
import { processTerminal, type Terminal } from './terminal.ts';
import type { StartPeer } from './commands/up.ts';

/**
 * Runs one command of this process. Ctrl-C and SIGTERM ask it to end; a second one ends the process at once.
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 3 no peer answers, 130 interrupted.
 */
export async function main(args: readonly string[], version: string): Promise<number> {
  const interruption = new AbortController();
  const onSignal = (): void => {
    if (interruption.signal.aborted) process.exit(EXIT.interrupted);
    interruption.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await runProgram(processTerminal(interruption.signal), args, version, startPeer);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

/** One command on any terminal. */
export async function runProgram(
  terminal: Terminal,
  args: readonly string[],
  version: string,
  start: StartPeer,
): Promise<number> {
  try {
    await createProgram(terminal, version, start).parseAsync(args, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof ExitWith) return error.code;
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (terminal.interrupted.aborted) return EXIT.interrupted;
    const { code, line } = describeFailure(error);
    terminal.err(`tilemesh: ${line}\n`);
    return code;
  }
}
