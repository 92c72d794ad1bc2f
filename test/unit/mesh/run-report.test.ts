import assert from 'node:assert/strict';
import { parseCoordinatorReport, parseTileReports } from '../../../src/mesh/run-report.ts';

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const tile = { block: 0, part: 1, computeMs: 2.5, haloBytes: 3, bytesToPeers: 4, bytesToEntry: 5 };

describe('mesh/run-report', () => {
  it('reads what a participant says of its tiles', () => {
    assert.deepEqual(parseTileReports(encode([tile, tile])), [tile, tile]);
  });

  for (const [name, bytes] of [
    ['no JSON', new TextEncoder().encode('{')],
    ['no list', encode({ tile })],
    ['nulls', encode([null])],
    ['text for a number', encode([{ ...tile, computeMs: '2' }])],
    ['a negative number', encode([{ ...tile, haloBytes: -1 }])],
    ['a missing field', encode([{ block: 0 }])],
  ] as const) {
    it(`takes ${name} for no account at all`, () => assert.deepEqual(parseTileReports(bytes), []));
  }

  it('takes what is no report of a coordinator for none', () => {
    for (const value of [null, 1, [], {}, { attempts: 1 }])
      assert.equal(parseCoordinatorReport(encode(value)), undefined);
    assert.equal(parseCoordinatorReport(new Uint8Array([0xff])), undefined);
  });
});
