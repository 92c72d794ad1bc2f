/** Whatever is wrong with a file, decoding it ends in one clear error, and never in anything else. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { AttributeProto_AttributeType as Kind, TensorProto_DataLocation, TensorProto_DataType as Type } from 'onnx-buf';
import { decodeModel } from '../../../../models/onnx/decode.ts';
import { isInsideFolder } from '../../../../models/onnx/external-location.ts';
import { MeshError } from '../../../../src/core/errors.ts';
import { constantNode, floats, graphAttribute, invalid, modelBytes, valueInit, type TensorInit } from './files.ts';

const weight = (change: Partial<TensorInit>): Uint8Array =>
  modelBytes({ initializer: [{ ...floats('w', [2], [1, 2]), ...change }] });

const external = (entries: Readonly<Record<string, string>>): Uint8Array =>
  weight({
    rawData: new Uint8Array(),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  });

const relu = (input: string, output: string, name = output) => ({
  name,
  opType: 'Relu',
  input: [input],
  output: [output],
});

const MALFORMATIONS: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['an empty file', new Uint8Array(), /no graph/],
  ['a text file', new TextEncoder().encode('<!doctype html><title>404</title>'), /not an ONNX model/],
  [
    'a truncated file',
    modelBytes({ initializer: [floats('w', [99], new Float32Array(99))] }).subarray(0, -40),
    /cut short/,
  ],
  ['a graph without outputs', modelBytes({ output: [] }), /no graph with outputs/],
  ['an input that nothing provides', modelBytes({ node: [relu('z', 'y', 'bad')] }), /"bad".*"z"/],
  ['an output that no node computes', modelBytes({ output: [valueInit('z', [1])] }), /"z"/],
  ['an output declared twice', modelBytes({ output: [valueInit('y', [1]), valueInit('y', [1])] }), /"y"/],
  ['a value written twice', modelBytes({ node: [relu('x', 'y'), relu('x', 'y', 'again')] }), /"again".*"y"/],
  ['a node that writes an input', modelBytes({ node: [relu('x', 'y'), relu('y', 'x', 'bad')] }), /"bad".*"x"/],
  [
    'nodes that wait for each other',
    modelBytes({ node: [relu('b', 'a'), relu('a', 'b'), relu('a', 'y')] }),
    /own output/,
  ],
  ['a node without an operator', modelBytes({ node: [{ name: 'bad', input: ['x'], output: ['y'] }] }), /"bad"/],
  ['an operator set without a version', modelBytes({ node: [{ ...relu('x', 'y'), domain: 'com.acme' }] }), /com\.acme/],
  ['no operator sets at all', modelBytes({}, { opsetImport: [] }), /operator set ""/],
  ['an absurd version', modelBytes({}, { opsetImport: [{ domain: '', version: -1n }] }), /version -1/],
  ['an input given twice', modelBytes({ input: [valueInit('x', [1]), valueInit('x', [1])] }), /"x"/],
  ['an input of unknown rank', modelBytes({ input: [valueInit('x')] }), /"x"/],
  [
    'an input that is no tensor',
    modelBytes({ input: [{ name: 'x', type: { value: { case: 'mapType', value: {} } } }] }),
    /"x"/,
  ],
  ['an input without a type', modelBytes({ input: [{ name: 'x' }] }), /"x"/],
  ['an input with a negative dimension', modelBytes({ input: [valueInit('x', [1, -2])] }), /-2/],
  ['a weight with fewer bytes than its shape', weight({ dims: [3n] }), /"w".*12 bytes/],
  ['a weight with more bytes than its shape', weight({ dims: [1n] }), /"w".*4 bytes/],
  ['a weight without bytes', weight({ rawData: new Uint8Array() }), /"w"/],
  ['a weight with a negative dimension', weight({ dims: [-2n, -1n] }), /"w".*-2/],
  ['a weight of absurd size', weight({ dims: [1n << 40n, 1n << 40n] }), /absurd/],
  ['a weight of a size that is no number', weight({ dims: [(1n << 63n) - 1n] }), /"w"/],
  ['a typed list of another length', weight({ rawData: new Uint8Array(), floatData: [1] }), /"w"/],
  ['a weight without a name', weight({ name: '' }), /name/],
  ['a weight given twice', modelBytes({ initializer: [floats('w', [1], [1]), floats('w', [1], [2])] }), /"w"/],
  ['a sparse weight', modelBytes({ sparseInitializer: [{ values: floats('s', [1], [1]) }] }), /"s".*sparse/],
  [
    'a constant that is damaged',
    modelBytes({
      node: [
        constantNode('c', { name: 'value', type: Kind.TENSOR, t: { ...floats('', [2], [1, 2]), dims: [5n] } }),
        relu('x', 'y'),
      ],
    }),
    /"c"/,
  ],
  [
    'a tensor attribute without a tensor',
    modelBytes({ node: [{ ...relu('x', 'y'), attribute: [{ name: 'a', type: Kind.TENSOR }] }] }),
    /"a"/,
  ],
  ['functions of the model', modelBytes({}, { functions: [{ name: 'Fast' }] }), /"Fast".*inline/],
  ['external data with no location', external({}), /"w"/],
  ['external data above the folder', external({ location: '../../etc/passwd' }), /"w"/],
  ['external data at an absolute path', external({ location: '/etc/passwd' }), /"w"/],
  ['external data at no offset', external({ location: 'w.bin', offset: 'x' }), /"w".*offset/],
  ['external data at a negative offset', external({ location: 'w.bin', offset: '-8' }), /"w".*offset/],
  ['external data of another length', external({ location: 'w.bin', length: '4' }), /"w".*8 bytes/],
  [
    'external data in an attribute',
    modelBytes({
      node: [
        {
          ...relu('x', 'y'),
          attribute: [
            {
              name: 'a',
              type: Kind.TENSOR,
              t: {
                dataType: Type.FLOAT,
                dims: [1n],
                dataLocation: TensorProto_DataLocation.EXTERNAL,
                externalData: [{ key: 'location', value: 'w.bin' }],
              },
            },
          ],
        },
      ],
    }),
    /"a"/,
  ],
  [
    'external data in a sub-graph',
    modelBytes({
      node: [
        {
          ...relu('x', 'y'),
          attribute: [
            graphAttribute('body', { initializer: [{ name: 'w', dataLocation: TensorProto_DataLocation.EXTERNAL }] }),
          ],
        },
      ],
    }),
    /"w"/,
  ],
  [
    'a sub-graph that reads what nobody provides',
    modelBytes({
      node: [{ ...relu('x', 'y', 'bad'), attribute: [graphAttribute('body', { node: [relu('z', 'o')] })] }],
    }),
    /"bad".*"z"/,
  ],
];

describe('models/onnx/decode, malformed files', () => {
  for (const [what, bytes, mention] of MALFORMATIONS) {
    it(`refuses ${what}`, () => assert.throws(() => decodeModel(bytes), invalid(mention)));
  }

  it('refuses external data that is shorter than said', () => {
    assert.throws(
      () => decodeModel(external({ location: 'w.bin' }), { readExternal: () => new Uint8Array(3) }),
      invalid(/"w".*w\.bin/),
    );
  });

  const decodesOrRefuses = (bytes: Uint8Array): void => {
    try {
      decodeModel(bytes);
    } catch (error) {
      if (!(error instanceof MeshError) || error.code !== 'INVALID_MODEL') throw error;
    }
  };

  it('survives arbitrary bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), decodesOrRefuses), { numRuns: 2000 });
  });

  it('survives damage to a real file', () => {
    const whole = modelBytes({
      initializer: [floats('w', [3, 2], [1, 2, 3, 4, 5, 6])],
      node: [
        constantNode('c', { name: 'value', type: Kind.TENSOR, t: floats('', [2], [1, 2]) }),
        { ...relu('x', 'a'), attribute: [graphAttribute('body', { node: [relu('x', 'o')] })] },
        { opType: 'Add', input: ['a', 'c'], output: ['y'] },
      ],
    });
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(damage, fc.nat(whole.length), (changes, length) => {
        const damaged = Uint8Array.from(whole);
        for (const [position, byte] of changes) damaged[position] = byte;
        decodesOrRefuses(damaged);
        decodesOrRefuses(whole.subarray(0, length));
      }),
      { numRuns: 3000 },
    );
  });

  it('lets no location out of the folder', () => {
    for (const good of ['w.bin', 'a/b/w.bin', './w.bin', 'a..b', '.hidden']) assert.ok(isInsideFolder(good), good);
    for (const bad of ['', '..', '../w', 'a/../../w', 'a\\..\\w', '/w', '\\w', '\\\\host\\w', 'C:\\w', 'c:w', 'a\0b']) {
      assert.ok(!isInsideFolder(bad), bad);
    }
  });
});
