/** What every benchmark is handed: where it tells of its progress, how it is stopped, what will be undone. */
import type { Terminal } from '../src/cli/terminal.ts';
import { createRunFolder } from './emulation/boards.ts';
import { rm } from 'node:fs/promises';

export interface BenchContext {
  /** For files of this run; removed with it. */
  readonly folder: string;
  /** Undone at the end in the opposite order, whatever the end was. */
  readonly cleanUp: AsyncDisposableStack;
  readonly signal: AbortSignal;
  /** One line on what is done now; shown on a terminal only. */
  readonly progress: (text: string) => void;
}

const CLEAR_LINE = '\r\u001b[2K';

/** Runs a benchmark and undoes what it set up, also when it fails or the user interrupts it. */
export async function inContext<Result>(
  terminal: Terminal,
  work: (context: BenchContext) => Promise<Result>,
): Promise<Result> {
  const folder = await createRunFolder();
  const cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const progress = (text: string): void => {
    if (terminal.isInteractive) terminal.err(`${CLEAR_LINE}${text}`);
  };
  try {
    return await work({ folder, cleanUp, signal: terminal.interrupted, progress });
  } finally {
    progress('cleaning up');
    await cleanUp.disposeAsync();
    progress('');
  }
}
