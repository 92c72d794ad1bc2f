import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as answers from '../../../protocols/answers/constants.ts';
import * as blobs from '../../../protocols/blobs/constants.ts';
import * as election from '../../../protocols/election/constants.ts';
import * as inspect from '../../../protocols/inspect/constants.ts';
import * as lane from '../../../protocols/lane/constants.ts';
import * as health from '../../../protocols/health/constants.ts';
import * as pieces from '../../../protocols/pieces/constants.ts';
import * as plan from '../../../protocols/plan/constants.ts';
import * as trust from '../../../protocols/trust/constants.ts';

describe('protocols/README.md', () => {
  it('lists every protocol with the limit the code has', async () => {
    const readme = await readFile(path.resolve(import.meta.dirname, '../../../protocols/README.md'), 'utf8');
    const rows = [...readme.matchAll(/^\| `(\/tilemesh\/\S+)` .* (\d+) +\|$/gm)].map(([, id, limit]) => [
      id,
      Number(limit),
    ]);
    const constants = [election, plan, pieces, blobs, answers, health, inspect, lane, trust];
    assert.deepEqual(
      rows,
      constants.map(({ PROTOCOL_ID, MAX_FRAME_BYTES }) => [PROTOCOL_ID, MAX_FRAME_BYTES]),
    );
  });
});
