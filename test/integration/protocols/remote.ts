/** The other peer, a process of its own so that it can freeze and be killed. Told what to do over IPC. */
import { createHash } from 'node:crypto';
import { createNode, type DataPlane } from './node.ts';

export interface Command {
  readonly kind: 'freeze';
  readonly durationMs: number;
}

export type Report =
  | { readonly kind: 'listening'; readonly address: string }
  | { readonly kind: 'frozen' }
  | { readonly kind: 'message'; readonly term: number; readonly byteLength: number }
  | { readonly kind: 'piece'; readonly part: number; readonly byteLength: number; readonly sha256: string };

const report = (value: Report): void => void process.send?.(value);

const node = await createNode(process.argv[2] as DataPlane);
node.services.election.onMessage((_, message) => {
  const byteLength = message.kind === 'complete' ? message.report.byteLength : 0;
  report({ kind: 'message', term: message.term, byteLength });
});
node.services.pieces.onPiece((_, { part, bytes }) => {
  report({
    kind: 'piece',
    part,
    byteLength: bytes.byteLength,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
});
node.services.blobs.provide({
  manifest: () => Promise.resolve(null),
  graph: () => Promise.resolve(null),
  have: () => Promise.resolve(null),
  chunk: (_, index) => Promise.resolve(new Uint8Array(1024 * 1024).fill(index)),
});
process.on('message', ({ durationMs }: Command) => {
  // The report leaves before the thread stops serving anything.
  process.send?.({ kind: 'frozen' } satisfies Report, () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
  });
});
process.on('disconnect', () => process.exit());
report({ kind: 'listening', address: node.getMultiaddrs()[0]!.toString() });
