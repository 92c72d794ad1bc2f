/** One line on stderr that is drawn over itself; nothing where no one watches. */
import type { ProgressListener } from '../api/port.ts';
import type { Terminal } from './terminal.ts';
import { clean } from './text.ts';

export interface ProgressLine {
  readonly update: ProgressListener;
  clear(): void;
}

const ERASE_LINE = '\r\x1b[K';

export function progressLine(terminal: Terminal): ProgressLine {
  if (!terminal.isInteractive) return { update: () => undefined, clear: () => undefined };
  let shown = '';
  return {
    update: (stage, completed, total) => {
      const share = total > 0 ? ` ${Math.floor((100 * completed) / total)} %` : '';
      const line = `${clean(stage, 60)}${share}`;
      if (line === shown) return;
      shown = line;
      terminal.err(`${ERASE_LINE}${line}`);
    },
    clear: () => {
      if (shown !== '') terminal.err(ERASE_LINE);
      shown = '';
    },
  };
}
