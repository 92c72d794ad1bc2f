import assert from 'node:assert/strict';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { assertLight } from '../../../src/api/grpc/weight.ts';
import { collectGarbage } from '../../support/garbage.ts';
import { ModelInferRequestSchema } from '../../../protocols/inference/inference_pb.js';

const MIB = 2 ** 20;
const BUILT = { code: 'INVALID_INPUT', message: /would take more than \d+ in memory: send tensors as raw_input/ };

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
const field = (number: number, content: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(content.byteLength)]), content]);

const contents = (bytes: Uint8Array): Uint8Array => field(5, field(5, bytes));
/** So many empty fields of two bytes each. */
const empty = (number: number, count: number): Uint8Array => Buffer.alloc(2 * count, Buffer.of(number * 8 + 2, 0));

/** Requests that make the most objects of their bytes, by how many. */
const BOMBS: Readonly<Record<string, (count: number) => Uint8Array>> = {
  '64-bit numbers of one byte': (count) => contents(field(3, new Uint8Array(count))),
  'truth values of one byte': (count) => contents(field(1, new Uint8Array(count))),
  'empty raw contents': (count) => empty(7, count),
  'empty inputs': (count) => empty(5, count),
  'empty outputs': (count) => empty(6, count),
  'empty byte strings': (count) => contents(empty(8, count)),
  'empty parameters': (count) => empty(4, count),
};

describe('api/grpc/weight', function () {
  this.timeout(60_000);

  for (const [what, bomb] of Object.entries(BOMBS)) {
    it(`refuses millions of ${what}, before anything is built`, () => {
      assert.throws(() => assertLight(ModelInferRequestSchema, bomb(2_000_000)), BUILT);
    });
  }

  it('takes tensors of every kind as clients send them', () => {
    const inputs = [
      { name: 'a', datatype: 'FP32', shape: [500_000n], contents: { fp32Contents: Array<number>(500_000).fill(0.5) } },
      { name: 'b', datatype: 'INT64', shape: [4096n], contents: { int64Contents: Array<bigint>(4096).fill(3n) } },
      { name: 'c', datatype: 'BYTES', shape: [100n], contents: { bytesContents: Array(100).fill(new Uint8Array(9)) } },
    ];
    const parameters = { timeout: { parameterChoice: { case: 'int64Param' as const, value: 5n } } };
    const raw = create(ModelInferRequestSchema, { parameters, rawInputContents: [new Uint8Array(8 * MIB)] });
    for (const request of [create(ModelInferRequestSchema, { modelName: 'm', inputs, parameters }), raw]) {
      assertLight(ModelInferRequestSchema, toBinary(ModelInferRequestSchema, request));
    }
  });

  it('lets a message take four times its bytes in memory, and one MiB more', () => {
    const isLight = (bytes: Uint8Array): boolean => {
      try {
        assertLight(ModelInferRequestSchema, bytes);
        return true;
      } catch {
        return false;
      }
    };
    for (const [what, bomb] of Object.entries(BOMBS)) {
      let count = 256;
      while (isLight(bomb(Math.floor(count * 1.2)))) count = Math.floor(count * 1.2);
      const bytes = bomb(count);
      const before = collectGarbage();
      const message = fromBinary(ModelInferRequestSchema, bytes);
      const taken = collectGarbage() - before;
      assert.notEqual(message.$typeName, '');
      assert.ok(taken <= 4 * bytes.byteLength + 1.25 * MIB, `${count} ${what}: ${taken} bytes for ${bytes.byteLength}`);
    }
  });
});
