import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ELEMENT_BYTES, type DataType } from '../../../../src/core/tensor/data-type.ts';
import * as tensors from '../../../../src/core/tensor/tensor.ts';

describe('tensor', () => {
  it('counts elements and bytes, and steps through rows', () => {
    assert.equal(tensors.elementCount([]), 1);
    assert.equal(tensors.elementCount([2, 0, 3]), 0);
    assert.equal(tensors.byteLength('int64', [2, 3]), 48);
    assert.deepEqual(tensors.strides([2, 3, 4]), [12, 4, 1]);
    assert.deepEqual(tensors.strides([]), []);
  });

  it('refuses bytes that do not fit its shape', () => {
    assert.throws(() => tensors.tensor('float32', [3], new Uint8Array(8)), { code: 'INVALID_INPUT' });
    assert.throws(() => tensors.fromNumbers('int8', [3], [1]), { code: 'INVALID_INPUT' });
    assert.throws(() => tensors.fromNumbers('string', [1], [1]), { code: 'INVALID_INPUT' });
  });

  it('gives back the numbers that it was made of, in every type of numbers', () => {
    const types = (Object.keys(ELEMENT_BYTES) as DataType[]).filter(
      (type) => !['string', 'bfloat16', 'bool'].includes(type),
    );
    for (const type of types) {
      const least = type.startsWith('u') ? 0 : -100;
      fc.assert(
        fc.property(fc.array(fc.integer({ min: least, max: 100 }), { maxLength: 9 }), (values) => {
          assert.deepEqual(tensors.numberValues(tensors.fromNumbers(type, [values.length], values)), values);
        }),
        { numRuns: 20 },
      );
    }
  });

  it('reads numbers at any address', () => {
    const bytes = new Uint8Array(13);
    bytes.set(tensors.fromNumbers('float32', [3], [1, 2, 3]).bytes, 1);
    const odd = { type: 'float32', shape: [3], bytes: bytes.subarray(1) } as const;
    assert.deepEqual([...tensors.float32Values(odd)], [1, 2, 3]);
  });
});
