import assert from 'node:assert/strict';
import { createClaims, type Claims } from '../../../../src/core/election/claims.ts';
import { asPeerId, type RequestId } from '../../../../src/core/ids.ts';

const A = asPeerId('a');
const B = asPeerId('b');
const C = asPeerId('c');
const id = (index: number): RequestId => index.toString(16).padStart(32, '0') as RequestId;

describe('core/election/claims', () => {
  let claims: Claims;
  const claim = (claimant = A, question = 'q', nowMs = 0, requestId = id(1)) =>
    claims.claim(requestId, { claimant, question }, nowMs);

  beforeEach(() => {
    claims = createClaims({ count: 100, ageMs: 1_000 });
  });

  it('gives an id to the first, whoever asks afterwards', () => {
    assert.deepEqual(claim(A), { kind: 'owned', by: A, generation: 1 });
    assert.deepEqual(claim(B), { kind: 'owned', by: A, generation: 1 });
    assert.deepEqual(claim(C), { kind: 'owned', by: A, generation: 1 });
  });

  it('says that an id stands for another question', () => {
    claim(A);
    assert.deepEqual(claim(B, 'another'), { kind: 'conflict' });
    claims.release(id(1), A);
    assert.deepEqual(claim(B, 'another'), { kind: 'owned', by: B, generation: 2 });
  });

  it('gives it out again when its owner gives it back, is lost, asks anew, or does not answer', () => {
    claim(A);
    claims.release(id(1), B);
    assert.deepEqual(claim(B), { kind: 'owned', by: A, generation: 1 });
    claims.release(id(1), A);
    assert.deepEqual(claim(B), { kind: 'owned', by: B, generation: 2 });
    claims.forget(B);
    assert.deepEqual(claim(A), { kind: 'owned', by: A, generation: 3 });
    assert.deepEqual(claim(A), { kind: 'owned', by: A, generation: 4 });
    const claimed = claims.claim(id(1), { claimant: C, question: 'q', insteadOf: A }, 0);
    assert.deepEqual(claimed, { kind: 'owned', by: C, generation: 5 });
  });

  it('takes over what another keeper has decided, but nothing older', () => {
    claims.adopt(id(1), { claimant: B, question: 'q' }, 3, 0);
    claims.adopt(id(1), { claimant: C, question: 'q' }, 2, 0);
    assert.deepEqual(claim(A), { kind: 'owned', by: B, generation: 3 });
  });

  it('forgets what is too old or too much, the oldest first', () => {
    claim(A);
    assert.deepEqual(claim(B, 'q', 1_001), { kind: 'owned', by: B, generation: 2 });
    for (let index = 2; index < 500; index++) claim(A, 'q', 1_500, id(index));
    assert.equal(claims.size, 100);
    assert.deepEqual(claim(C, 'q', 1_500), { kind: 'owned', by: C, generation: 1 });
    claim(A, 'q', 10_000, id(1_000));
    assert.equal(claims.size, 1);
  });
});
