import assert from 'node:assert/strict';
import fc from 'fast-check';
import { hash32, hashFraction } from '../../../../src/core/hash.ts';
import { naturalLogarithm, rankCandidates } from '../../../../src/core/election/rendezvous.ts';
import { asPeerId, type RequestId } from '../../../../src/core/ids.ts';

const requestId = (n: number): RequestId => n.toString(16).padStart(32, '0') as RequestId;
const candidates = fc
  .uniqueArray(fc.stringMatching(/^[a-z0-9]{1,12}$/), { minLength: 1, maxLength: 24 })
  .chain((names) =>
    fc
      .array(fc.double({ min: 0, max: 1e12, noNaN: true }), { minLength: names.length, maxLength: names.length })
      .map((weights) => names.map((name, index) => ({ peer: asPeerId(name), weight: weights[index]! }))),
  );

describe('core/election/hash', () => {
  // Published vectors of MurmurHash3 x86_32.
  for (const [text, seed, expected] of [
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['test', 0, 0xba6bd213],
    ['test', 0x9747b28c, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ] as const) {
    it(`hashes ${JSON.stringify(text)} with seed ${seed} as published`, () => {
      assert.equal(hash32(text, seed), expected);
    });
  }

  it('gives fractions strictly between 0 and 1', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const fraction = hashFraction(text);
        assert.ok(fraction > 0 && fraction < 1);
      }),
    );
  });
});

describe('core/election/rendezvous', () => {
  it('computes the natural logarithm to 1e-14 of its size', () => {
    fc.assert(
      fc.property(fc.double({ min: 2 ** -53, max: 1 - 2 ** -53, noNaN: true }), (x) => {
        const expected = Math.log(x);
        assert.ok(Math.abs(naturalLogarithm(x) - expected) <= 1e-14 * Math.abs(expected));
      }),
    );
  });

  it('ranks every candidate once, whatever their order', () => {
    fc.assert(
      fc.property(candidates, fc.nat(), (all, n) => {
        const ranked = rankCandidates(requestId(n), all);
        assert.deepEqual([...ranked].sort(), all.map(({ peer }) => peer).sort());
        assert.deepEqual(rankCandidates(requestId(n), [...all].reverse()), ranked);
      }),
    );
  });

  it('keeps the order of the others when one leaves', () => {
    fc.assert(
      fc.property(candidates, fc.nat(), fc.nat(), (all, n, pick) => {
        const gone = all[pick % all.length]!.peer;
        const before = rankCandidates(requestId(n), all).filter((peer) => peer !== gone);
        const rest = all.filter(({ peer }) => peer !== gone);
        assert.deepEqual(rankCandidates(requestId(n), rest), before);
      }),
    );
  });

  it('lets a peer coordinate a share in proportion to its weight', () => {
    const weights = { a: 1, b: 2, c: 5 } as const;
    const all = Object.entries(weights).map(([name, weight]) => ({ peer: asPeerId(name), weight }));
    const firsts = { a: 0, b: 0, c: 0 };
    const requests = 8_000;
    for (let n = 0; n < requests; n++) firsts[rankCandidates(requestId(n), all)[0] as string as 'a' | 'b' | 'c']++;
    for (const name of ['a', 'b', 'c'] as const) {
      const expected = (requests * weights[name]) / 8;
      assert.ok(Math.abs(firsts[name] - expected) < 0.1 * expected, `${name}: ${firsts[name]} of ${expected}`);
    }
  });

  it('puts candidates without a usable weight last', () => {
    const all = [NaN, 0, -1, 3].map((weight, index) => ({ peer: asPeerId(`p${index}`), weight }));
    assert.deepEqual(rankCandidates(requestId(1), all), ['p3', 'p0', 'p1', 'p2']);
  });
});
