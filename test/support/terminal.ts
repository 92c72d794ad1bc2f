/** The command line in this process, with what it wrote. */
import { runProgram } from '../../src/cli/main.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

export interface Written {
  /** The exit code. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Recording {
  readonly terminal: Terminal;
  readonly written: () => Omit<Written, 'code'>;
}

export function recordingTerminal(): Recording {
  let [out, err] = ['', ''];
  const terminal: Terminal = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    isInteractive: false,
    style: (_style, text) => text,
    interrupted: new AbortController().signal,
  };
  return { terminal, written: () => ({ out, err }) };
}

/** Any command but `up`. */
export async function tilemesh(...args: readonly string[]): Promise<Written> {
  const { terminal, written } = recordingTerminal();
  const noPeer = () => Promise.reject(new Error('not in this test'));
  const code = await runProgram(terminal, [...args], '0.1.0', noPeer);
  return { code, ...written() };
}
