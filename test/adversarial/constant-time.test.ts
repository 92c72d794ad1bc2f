/** Secrets are compared by a function whose time does not tell how much of a guess was right, and by nothing else. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { objectionTo } from '../../src/api/guard.ts';
import { isEqual } from '../../src/mesh/trust/mesh-key.ts';

const TOKEN = 'a-token-of-some-length';

describe('comparing secrets', () => {
  const { timingSafeEqual } = crypto;
  let compared: number[];

  beforeEach(() => {
    compared = [];
    crypto.timingSafeEqual = (one, other) => {
      compared.push(one.byteLength);
      return timingSafeEqual(one, other);
    };
    syncBuiltinESMExports();
  });

  afterEach(() => {
    crypto.timingSafeEqual = timingSafeEqual;
    syncBuiltinESMExports();
  });

  for (const [what, given, isRight] of [
    ['the token', TOKEN, true],
    ['one that is wrong in its first letter', `b${TOKEN.slice(1)}`, false],
    ['one that is wrong in its last letter', `${TOKEN.slice(0, -1)}i`, false],
    ['the beginning of it', TOKEN.slice(0, 3), false],
    ['a longer one', `${TOKEN}s`, false],
  ] as const) {
    it(`takes constant time for tokens, whatever their lengths: ${what}`, () => {
      assert.equal(objectionTo(`Bearer ${given}`, TOKEN) === undefined, isRight);
      // Digests, of one length, whatever was given.
      assert.deepEqual(compared, [32]);
    });
  }

  it('takes constant time for proofs of membership', () => {
    const proof = new Uint8Array(32).fill(7);
    assert.ok(isEqual(proof, proof.slice()));
    for (const at of [0, 31]) {
      const wrong = proof.slice();
      wrong[at] = 8;
      assert.ok(!isEqual(proof, wrong));
    }
    assert.deepEqual(compared, [32, 32, 32]);
    assert.ok(!isEqual(proof, proof.subarray(1)));
  });
});
