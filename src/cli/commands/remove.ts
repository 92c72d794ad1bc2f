/** `tilemesh rm`: a model leaves the disk of one peer. */
import { parseApiUrls, sendJson } from '../client.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean, formatBytes } from '../text.ts';

export interface RemoveOptions {
  readonly api: string;
  readonly json?: true;
}

export async function removeCommand(terminal: Terminal, model: string, options: RemoveOptions): Promise<void> {
  const path = `/tilemesh/v1/models/${encodeURIComponent(model)}`;
  const removed = (await sendJson(parseApiUrls(options.api), 'DELETE', path, terminal.interrupted)) as {
    readonly id: string;
    readonly name: string;
    readonly bytesFreed: number;
    readonly otherHolders: number;
  };
  const { id, name, bytesFreed, otherHolders } = removed;
  if (options.json) {
    writeJson(terminal, 'rm/1', { id, name, bytesFreed, otherHolders });
    return;
  }
  const elsewhere =
    otherHolders === 0
      ? 'no other peer that is here holds it'
      : `${otherHolders} other peer${otherHolders === 1 ? ' holds' : 's hold'} it still`;
  terminal.out(`${clean(name)} is removed here, ${formatBytes(bytesFreed)} are free; ${elsewhere}\n`);
}
