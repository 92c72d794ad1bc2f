import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readNpy, writeNpy } from '../../../../models/tasks/npy.ts';
import { MeshError } from '../../../../src/core/errors.ts';
import { ELEMENT_BYTES, type DataType } from '../../../../src/core/tensor/data-type.ts';
import { byteLength, fromFloat32, numberValues } from '../../../../src/core/tensor/tensor.ts';

const file = (header: string, data: readonly number[], version = 1): Uint8Array => {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  return Buffer.concat([
    Buffer.from('\x93NUMPY', 'latin1'),
    Buffer.of(version, 0),
    length,
    Buffer.from(header),
    Buffer.from(data),
  ]);
};

describe('npy', () => {
  it('writes and reads back every array of numbers', () => {
    const types = (Object.keys(ELEMENT_BYTES) as DataType[]).filter((type) => !['string', 'bfloat16'].includes(type));
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.array(fc.nat(4), { maxLength: 4 }), fc.nat(), (type, shape, seed) => {
        const bytes = Uint8Array.from({ length: byteLength(type, shape) }, (_, index) => (index * 31 + seed) % 256);
        assert.deepEqual(readNpy(writeNpy({ type, shape, bytes })), { type, shape, bytes });
      }),
    );
  });

  it('begins the data at a multiple of 64 bytes', () => {
    const written = writeNpy(fromFloat32([3], [1, 2, 3]));
    assert.equal(written.byteLength % 64, 12);
    assert.match(Buffer.from(written).toString('latin1'), /'shape': \(3,\), \} +\n/);
  });

  it('reads versions 1, 2 and 3', () => {
    for (const version of [1, 2, 3]) {
      const read = readNpy(file("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n", [7, 9], version));
      assert.deepEqual(numberValues(read), [7, 9]);
    }
  });

  it('turns big-endian numbers round', () => {
    const read = readNpy(file("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }\n", [1, 2, 0, 3]));
    assert.deepEqual(numberValues(read), [258, 3]);
  });

  const refused: readonly (readonly [string, Uint8Array, RegExp])[] = [
    [
      'Fortran order',
      file("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", [0, 0, 0, 0]),
      /ascontiguousarray/,
    ],
    ['objects', file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", []), /'\|O'/],
    [
      'records',
      file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", [0, 0, 0, 0]),
      /plain numbers/,
    ],
    ['missing data', file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", [0, 0, 0, 0]), /needs 8/],
    ['trailing data', file("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }", [0, 0]), /2 bytes/],
    [
      'huge shapes',
      file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", []),
      /too large/,
    ],
    ['another version', file('{}', [], 4), /version 4/],
    ['a header past the end', file('{}', []).subarray(0, 11), /begin|ends/],
    ['text', new TextEncoder().encode('a,b,c,d,e,f,g,h'), /does not begin/],
  ];
  for (const [what, bytes, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => readNpy(bytes),
        (error) => error instanceof MeshError && error.code === 'INVALID_INPUT' && message.test(error.message),
      );
    });
  }

  it('never fails in another way, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
        try {
          readNpy(Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), tail]));
        } catch (error) {
          assert.ok(error instanceof MeshError);
        }
      }),
    );
  });
});
