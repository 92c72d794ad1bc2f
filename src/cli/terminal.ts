/** Where a command reads and writes: the process, or a test. */
import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

export interface Screen {
  size(): { readonly columns: number; readonly rows: number };
  /** Calls back with each key until the returned function is called. */
  onKey(listener: (key: string) => void): () => void;
}

export interface Terminal {
  /** Answers. */
  readonly out: (text: string) => void;
  /** Progress and errors. */
  readonly err: (text: string) => void;
  /** Progress lines may be drawn over one another. */
  readonly isInteractive: boolean;
  /** Colours where the output is a terminal and `NO_COLOR` is not set; plain text otherwise. */
  readonly style: (style: Style, text: string) => string;
  /** Tables without headings and alignment, for other programs. */
  readonly isPlain?: boolean;
  /** The whole screen and its keys; absent where the output is no terminal. */
  readonly screen?: Screen;
  /** Aborts when the user presses Ctrl-C or the system asks to stop. */
  readonly interrupted: AbortSignal;
}

/** Whoever reads may have seen enough, as `head` does: what is left to say goes nowhere, and that is no failure. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

export function processTerminal(interrupted: AbortSignal): Terminal {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe);
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    isInteractive: process.stderr.isTTY,
    ...(process.stdout.isTTY && process.stdin.isTTY ? { screen: processScreen() } : {}),
    style: (style, text) => styleText(style, text, { stream: process.stdout }),
    interrupted,
  };
}

function processScreen(): Screen {
  const { stdin, stdout } = process;
  return {
    // A terminal that does not know its size has none.
    size: () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 }),
    onKey: (listener) => {
      const hear = (bytes: Buffer): void => listener(bytes.toString());
      stdin.setRawMode(true).resume().on('data', hear);
      return () => stdin.off('data', hear).setRawMode(false).pause();
    },
  };
}

/** The same terminal, for other programs. */
export const plainly = (terminal: Terminal): Terminal => ({
  ...terminal,
  isPlain: true,
  style: (_style, text) => text,
});

export const writeJson = (terminal: Terminal, schema: string, document: object): void =>
  terminal.out(`${JSON.stringify({ schema: `tilemesh.${schema}`, ...document })}\n`);
