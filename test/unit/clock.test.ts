import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Where the time of day is told to people, and nothing follows from it. The command line does so everywhere. */
const FOR_PEOPLE = [
  ['src/api/live-feed.ts', 1],
  ['src/api/statistics.ts', 1],
  ['src/mesh/entry-desk.ts', 1],
  ['src/mesh/inspector.ts', 2],
  ['src/mesh/model-library.ts', 1],
  ['src/node.ts', 1],
  ['src/observability/journal.ts', 1],
  ['src/observability/logger.ts', 1],
  ['src/peer-card.ts', 1],
] as const;
/**
 * Where a time of day comes from elsewhere: a deadline that the gRPC library gives so, the dates of a certificate, times kept
 * from run to run.
 */
const FROM_ELSEWHERE = [
  ['src/api/certificate.ts', 2],
  ['src/api/grpc/call.ts', 1],
  ['src/mesh/model-store/model-store.ts', 2],
  ['src/mesh/trust/trust.ts', 1],
] as const;

describe('the time', () => {
  it('is taken from the monotonic clock, so that nothing depends on jumps of the other one', async () => {
    const uses = new Map<string, number>();
    for (const folder of ['src', 'protocols', 'kernels']) {
      for (const name of await readdir(path.join(ROOT, folder), { recursive: true })) {
        if (!name.endsWith('.ts') || name.startsWith('cli/')) continue;
        const text = await readFile(path.join(ROOT, folder, name), 'utf8');
        const count = text.match(/\bDate\.now\b|new Date\(/g)?.length ?? 0;
        if (count > 0) uses.set(`${folder}/${name}`, count);
      }
    }
    assert.deepEqual(new Map([...uses].sort()), new Map([...FOR_PEOPLE, ...FROM_ELSEWHERE].sort()));
  });
});
