/** The command line in this process, without a peer. */
import { runProgram } from '../../src/cli/main.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

export interface CommandOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function tilemesh(...args: readonly string[]): Promise<CommandOutcome> {
  let [out, err] = ['', ''];
  const terminal: Terminal = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    isInteractive: false,
    style: (_, text) => text,
    interrupted: new AbortController().signal,
  };
  const code = await runProgram(terminal, args, '0.1.0', () => Promise.reject(new Error('not in this test')));
  return { code, out, err };
}
