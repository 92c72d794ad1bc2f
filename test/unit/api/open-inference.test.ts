import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DATATYPES } from '../../../src/api/open-inference/datatypes.ts';
import type { Question } from '../../../src/api/open-inference/question.ts';
import { encodeInferReply } from '../../../src/api/open-inference/reply.ts';
import { parseInferRequest } from '../../../src/api/open-inference/request.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { isByteStrings } from '../../../src/api/open-inference/values.ts';
import { fromFloat32, fromInt64, numberValues, type Tensor } from '../../../src/core/tensor/tensor.ts';

const bytes = (document: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(document));
const parse = (document: unknown) => parseInferRequest(bytes(document), undefined, 1e6);
/** The tensor that was given for `x`. */
const xOf = ({ inputs }: Question): Tensor => {
  const value = inputs instanceof Uint8Array ? undefined : inputs.get('x');
  assert.ok(value !== undefined && !isByteStrings(value));
  return value;
};
const input = (overrides: object) => ({ inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 2], ...overrides }] });

describe('Open Inference Protocol requests', () => {
  it('take nested and flat data alike', () => {
    const nested = parse(input({ data: [[1, 2], [3, 4]] })); // prettier-ignore
    const flat = parse(input({ data: [1, 2, 3, 4] }));
    assert.deepEqual(nested.inputs, flat.inputs);
    assert.deepEqual(numberValues(xOf(flat)), [1, 2, 3, 4]);
  });

  it('know every datatype that JSON has numbers for', () => {
    const exceptions = ['FP16', 'BF16', 'BYTES'];
    for (const datatype of Object.values(DATATYPES).filter((type) => !exceptions.includes(type))) {
      const data = datatype === 'BOOL' ? [true, false, true, true] : [1, 0, 1, 1];
      assert.deepEqual(numberValues(xOf(parse(input({ datatype, data })))), [1, 0, 1, 1], datatype);
    }
  });

  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    ['too few values', input({ data: [1, 2, 3] }), /needs 4 values/],
    ['too many values', input({ data: [1, 2, 3, 4, 5] }), /needs 4 values/],
    ['shapes without data', input({ shape: [1e9, 1e9] }), /needs/],
    ['text among numbers', input({ data: [1, 2, '3', 4] }), /not a number/],
    ['negative extents', input({ shape: [-1, 4], data: [1, 2, 3, 4] }), /shape/],
    ['integers out of range', input({ datatype: 'UINT8', data: [1, 2, 3, 256] }), /not an UINT8/],
    ['fractions for integers', input({ datatype: 'INT32', data: [1, 2, 3, 0.5] }), /not an INT32/],
    ['unknown datatypes', input({ datatype: 'FP8', data: [] }), /FP8/],
    ['half precision in JSON', input({ datatype: 'FP16', data: [1, 2, 3, 4] }), /binary/],
    [
      'a name twice',
      { inputs: [...input({ data: [1, 2, 3, 4] }).inputs, ...input({ data: [1, 2, 3, 4] }).inputs] },
      /twice/,
    ],
    ['no inputs', {}, /inputs/],
    ['lists', [], /valid/],
  ];
  for (const [what, document, message] of refused) {
    it(`refuse ${what}`, () => {
      assert.throws(
        () => parse(document),
        (error) => error instanceof MeshError && error.code === 'INVALID_INPUT' && message.test(error.message),
      );
    });
  }

  it('carry tensors as bytes after the document, and those come back unchanged', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true }), { maxLength: 50 }), (values) => {
        const tensor = fromFloat32([values.length], values);
        const reply = encodeInferReply({}, new Map([['x', tensor]]), () => true);
        const document = Buffer.from(reply.parts[0]!).toString();
        const request = document.replace('"outputs"', '"inputs"').replaceAll('outputs', 'inputs');
        const body = Buffer.concat([Buffer.from(request), tensor.bytes]);
        const parsed = parseInferRequest(body, Buffer.byteLength(request), 1e6);
        assert.deepEqual(numberValues(xOf(parsed)), numberValues(tensor));
      }),
    );
  });

  it('refuse bytes that do not add up', () => {
    const document = bytes(input({ shape: [2], parameters: { binary_data_size: 8 } }));
    const cases = [
      [Buffer.concat([document, Buffer.alloc(7)]), document.length],
      [Buffer.concat([document, Buffer.alloc(9)]), document.length],
      [Buffer.concat([document, Buffer.alloc(8)]), document.length + 99],
      [Buffer.concat([document, Buffer.alloc(8)]), Number.NaN],
    ] as const;
    for (const [body, length] of cases) {
      assert.throws(
        () => parseInferRequest(body, length, 1e6),
        (error) => error instanceof MeshError,
      );
    }
  });

  it('never fail in another way, whatever the document', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          parseInferRequest(new TextEncoder().encode(text), undefined, 1e6);
        } catch (error) {
          assert.ok(error instanceof MeshError, String(error));
        }
      }),
    );
  });
});

describe('Open Inference Protocol answers', () => {
  it('hold numbers as JSON unless bytes were asked for', () => {
    const outputs = new Map([
      ['a', fromFloat32([2], [1, Number.NaN])],
      ['b', fromInt64([1], [7])],
    ]);
    const reply = encodeInferReply({ model_name: 'm' }, outputs, () => false);
    assert.equal(reply.headerBytes, undefined);
    assert.deepEqual(JSON.parse(Buffer.concat(reply.parts).toString()), {
      model_name: 'm',
      outputs: [
        { name: 'a', datatype: 'FP32', shape: [2], data: [1, null] },
        { name: 'b', datatype: 'INT64', shape: [1], data: [7] },
      ],
    });
  });
});
