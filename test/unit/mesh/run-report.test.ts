import assert from 'node:assert/strict';
import { asPeerId } from '../../../src/core/ids.ts';
import { encodeAccount, encodeTileReports, parseAccount, parseTileReports } from '../../../src/mesh/run-report.ts';

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const tile = { block: 0, part: 1, computeMs: 2.5, haloBytes: 3, bytesToPeers: 4, bytesToEntry: 5 };
const row = [0, 1, 2.5, 3, 4, 5];

describe('mesh/run-report', () => {
  it('reads what a participant says of its tiles, times to a microsecond', () => {
    const odd = { ...tile, part: 2, computeMs: 1.23456 };
    assert.deepEqual(parseTileReports(encodeTileReports([tile, odd])), [tile, { ...odd, computeMs: 1.235 }]);
  });

  for (const [name, bytes] of [
    ['no JSON', new TextEncoder().encode('{')],
    ['no list', encode({ row })],
    ['nulls', encode([null])],
    ['text for a number', encode([[0, 1, '2', 3, 4, 5]])],
    ['a negative number', encode([[0, 1, 2, -3, 4, 5]])],
    ['a missing number', encode([[0, 1, 2, 3, 4]])],
  ] as const) {
    it(`takes ${name} for no account at all`, () => assert.deepEqual(parseTileReports(bytes), []));
  }

  it('reads what a coordinator says of a request', () => {
    const account = { attempts: 2, lostPeers: [asPeerId('a')], tiles: [tile] };
    assert.deepEqual(parseAccount(encodeAccount(account)), account);
  });

  it('takes what is no account of a coordinator for none', () => {
    for (const value of [null, 1, [], {}, { attempts: 1 }, { attempts: '1', lostPeers: [] }])
      assert.equal(parseAccount(encode(value)), undefined);
    assert.equal(parseAccount(new Uint8Array([0xff])), undefined);
    assert.deepEqual(parseAccount(encode({ attempts: 1, lostPeers: [1, 'a'], tiles: [row, {}] })), {
      attempts: 1,
      lostPeers: ['a'],
      tiles: [tile],
    });
  });
});
