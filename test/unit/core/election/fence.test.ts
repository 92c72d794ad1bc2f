import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createFence } from '../../../../src/core/election/fence.ts';
import type { RequestId } from '../../../../src/core/ids.ts';

const id = (n: number): RequestId => n.toString(16).padStart(32, '0') as RequestId;

describe('core/election/fence', () => {
  it('admits a term until a higher one was seen', () => {
    const fence = createFence(8);
    const asked: readonly (readonly [request: number, term: number, admitted: boolean])[] = [
      [1, 2, true],
      [1, 2, true],
      [1, 1, false],
      [2, 1, true],
      [1, 3, true],
      [1, 2, false],
    ];
    for (const [request, term, admitted] of asked) assert.equal(fence.admit(id(request), term), admitted);
    assert.equal(fence.highest(id(1)), 3);
    assert.equal(fence.highest(id(9)), 0);
  });

  it('forgets the request heard of longest ago', () => {
    const fence = createFence(2);
    for (const request of [1, 2, 1, 3]) fence.admit(id(request), 5);
    assert.deepEqual(
      [1, 2, 3].map((request) => fence.highest(id(request))),
      [5, 0, 5],
    );
  });

  it('never admits two terms of one request in falling order while it remembers the request', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 9 }))), (asked) => {
        const fence = createFence(4);
        const admitted = new Map<number, number>();
        for (const [request, term] of asked) {
          if (!fence.admit(id(request), term)) continue;
          assert.ok(term >= (admitted.get(request) ?? 0));
          admitted.set(request, term);
        }
      }),
    );
  });
});
