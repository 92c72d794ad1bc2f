/** The entry of the benchmarks: `npm run bench -- COMMAND`. Exit codes are those of `tilemesh`. */
import { CommanderError } from 'commander';
import { describeFailure, EXIT } from '../src/cli/exit.ts';
import { processTerminal } from '../src/cli/terminal.ts';
import { createBenchProgram } from './program.ts';

async function main(): Promise<number> {
  const interruption = new AbortController();
  // Whatever was set up is undone before the process ends; a signal more does not cut that short.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());
  let crash: unknown;
  process.on('uncaughtException', (error) => {
    crash ??= error;
    interruption.abort();
  });
  const terminal = processTerminal(interruption.signal);
  try {
    await createBenchProgram(terminal).parseAsync(process.argv.slice(2), { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (interruption.signal.aborted && crash === undefined) return EXIT.interrupted;
    const { code, line } = describeFailure(crash ?? error);
    terminal.err(`bench: ${line}\n`);
    return code;
  }
}

process.exitCode = await main();
