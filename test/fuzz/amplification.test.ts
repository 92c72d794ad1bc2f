/** Small inputs that would become large in memory are refused before anything is built of them. */
import assert from 'node:assert/strict';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { decodeModel } from '../../models/onnx/decode.ts';
import { seriesTensor } from '../../models/tasks/series.ts';
import { SERVICE } from '../../src/api/grpc/definition.ts';
import { MAX_JSON_PARTS, parseJson } from '../../src/api/open-inference/json.ts';
import { checkWire, wireMemory, type WireMessage } from '../../src/core/wire.ts';

const MIB = 2 ** 20;

/** A message with one field, so often. */
const repeated = (field: number, bytes: Uint8Array, times: number): Uint8Array => {
  const one = new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(bytes).finish();
  return Buffer.concat(Array.from({ length: times }, () => one));
};
const within = (field: number, bytes: Uint8Array): Uint8Array => repeated(field, bytes, 1);

const GRAPH = 7;
const [NODE, NODE_ATTRIBUTE, ATTRIBUTE_GRAPH] = [1, 5, 6];
const [INPUTS, CONTENTS, INT64_CONTENTS] = [5, 5, 3];
const readInfer = (bytes: Uint8Array): unknown => SERVICE.modelInfer!.requestDeserialize(Buffer.from(bytes));

describe('a small input that asks for much memory', () => {
  for (const [what, read, code] of [
    [
      'an ONNX file of empty nodes',
      () => decodeModel(within(GRAPH, repeated(NODE, new Uint8Array(), MIB / 2))),
      'INVALID_MODEL',
    ],
    [
      'an ONNX file of graphs within graphs',
      () => {
        let graph: Uint8Array = new Uint8Array();
        for (let level = 0; level < 1000; level++)
          graph = within(NODE, within(NODE_ATTRIBUTE, within(ATTRIBUTE_GRAPH, graph)));
        return decodeModel(within(GRAPH, graph));
      },
      'INVALID_MODEL',
    ],
    ['a gRPC request of empty inputs', () => readInfer(repeated(INPUTS, new Uint8Array(), MIB / 2)), 'INVALID_INPUT'],
    [
      'a gRPC request of small whole numbers',
      () => readInfer(within(INPUTS, within(CONTENTS, within(INT64_CONTENTS, new Uint8Array(2 * MIB))))),
      'INVALID_INPUT',
    ],
    [
      'a JSON document of empty lists',
      () => parseJson(Buffer.from(`[${'[],'.repeat(MAX_JSON_PARTS)}0]`), 4 * MIB),
      'INVALID_INPUT',
    ],
    [
      'a JSON document of members',
      () => parseJson(Buffer.from(`{${'"a":0,'.repeat(MAX_JSON_PARTS)}"b":0}`), 4 * MIB),
      'INVALID_INPUT',
    ],
    [
      'a series of many cells in one line',
      () => seriesTensor({ kind: 'text', bytes: Buffer.from(','.repeat(MIB)) }, { context: 1, normalisation: 'none' }),
      'INVALID_INPUT',
    ],
  ] as const) {
    it(`is refused: ${what}`, () => {
      assert.throws(read, { name: 'MeshError', code });
    });
  }

  it('is no text of line ends, which take no memory', () => {
    const bytes = Buffer.from(`${'\n'.repeat(4 * MIB)}1\n2\n`);
    const { tensor } = seriesTensor({ kind: 'text', bytes }, { context: 2, normalisation: 'none' });
    assert.deepEqual(tensor.shape, [1, 1, 2]);
  });

  it('is told by its wire alone, whatever nests in it', () => {
    const leaf: WireMessage = { fields: [{ number: 1, fieldKind: 'scalar', scalar: 9 }] };
    const root: WireMessage = {
      fields: [
        { number: 1, fieldKind: 'list', listKind: 'message', message: leaf },
        { number: 2, fieldKind: 'map', message: leaf },
      ],
    };
    const text = within(1, Buffer.from('abc'));
    const entry = Buffer.concat([within(1, Buffer.from('key')), within(2, text)]);
    const cost = (bytes: Uint8Array): number => {
      let spent = 0;
      const count: typeof wireMemory = (field, length) => {
        spent += wireMemory(field, length);
        return 0;
      };
      checkWire(root, bytes, { budget: 1, depth: 4, cost: count });
      return spent;
    };
    const ofText = 64 + 2 * 3;
    assert.equal(cost(within(1, text)), 512 + ofText);
    // The key is skipped, the value counted.
    assert.equal(cost(within(2, entry)), 512 + 512 + ofText);
    assert.equal(cost(within(9, text)), 0);
    for (const broken of [[0x0a], [0x0a, 5, 1], [0x0b], [0x08, 0x80], [0x0d, 1]]) {
      assert.throws(() => cost(Uint8Array.from(broken)), RangeError);
    }
  });
});
