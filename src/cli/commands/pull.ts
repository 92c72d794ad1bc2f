/** `tilemesh pull`: a peer fetches all weights of a model. */
import type { ModelView } from '../../api/port.ts';
import { parseApiUrls, postForEvents } from '../client.ts';
import { progressLine } from '../progress.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean, formatBytes } from '../text.ts';

export interface PullOptions {
  readonly api: string;
  readonly json?: true;
}

/** Longest that it may take. */
const PULL_MS = 60 * 60_000;

export async function pullCommand(terminal: Terminal, model: string, options: PullOptions): Promise<void> {
  const progress = progressLine(terminal);
  try {
    const { model: held } = (await postForEvents(
      parseApiUrls(options.api).slice(0, 1),
      {
        path: `/tilemesh/v1/models/${encodeURIComponent(model)}/pull`,
        signal: AbortSignal.any([terminal.interrupted, AbortSignal.timeout(PULL_MS)]),
      },
      progress.update,
    )) as { readonly model: ModelView };
    progress.clear();
    if (options.json) writeJson(terminal, 'pull/1', { model: held });
    else terminal.out(`${clean(held.name)} is here, all ${formatBytes(held.bytesTotal)} of its weights\n`);
  } finally {
    progress.clear();
  }
}
