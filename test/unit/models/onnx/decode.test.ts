import assert from 'node:assert/strict';
import { AttributeProto_AttributeType as Kind, TensorProto_DataLocation, TensorProto_DataType as Type } from 'onnx-buf';
import { decodeModel } from '../../../../models/onnx/decode.ts';
import { MAX_CONSTANT_BYTES, MAX_INTEGER_CONSTANT_BYTES } from '../../../../models/onnx/initializers.ts';
import { MeshError } from '../../../../src/core/errors.ts';
import { numberValues } from '../../../../src/core/tensor/tensor.ts';
import {
  constantNode,
  floats,
  graphAttribute,
  modelBytes,
  valueInit,
  type GraphInit,
  type NodeInit,
  type TensorInit,
} from './files.ts';

const graphOf = (graph: GraphInit, rest?: Parameters<typeof modelBytes>[1]) =>
  decodeModel(modelBytes(graph, rest)).graph;

/** The constant that `tensor` becomes. */
const constantOf = (tensor: TensorInit) => graphOf({ initializer: [{ name: 'c', ...tensor }] }).constants.get('c')!;

describe('models/onnx/decode', () => {
  it('gives the graph that the file describes', () => {
    const graph = graphOf({});
    assert.deepEqual(graph, {
      name: 'g',
      irVersion: 8,
      opsets: { '': 13 },
      inputs: [{ name: 'x', type: 'float32', dims: [1, 4] }],
      outputs: [{ name: 'y', type: 'float32', dims: [1, 4] }],
      nodes: [{ name: 'relu', op: 'Relu', domain: '', inputs: ['x'], outputs: ['y'], attributes: {}, captures: [] }],
      constants: new Map(),
      weights: new Map(),
      declared: new Map(),
    });
  });

  it('names dimensions that are left open, by no name, by -1 or by no value', () => {
    const graph = graphOf({ input: [valueInit('x', ['N', undefined, -1, ''])], output: [valueInit('y')] });
    assert.deepEqual(graph.inputs[0]!.dims, ['N', 'x_1', 'x_2', 'x_3']);
    assert.deepEqual(graph.outputs[0]!.dims, ['...']);
  });

  it("takes ai.onnx for ONNX's own operator set", () => {
    const node: NodeInit = { opType: 'Relu', domain: 'ai.onnx', input: ['x'], output: ['y'] };
    const graph = graphOf({ node: [node] }, { opsetImport: [{ domain: 'ai.onnx', version: 11n }] });
    assert.deepEqual(graph.opsets, { '': 11 });
    assert.equal(graph.nodes[0]!.domain, '');
  });

  it('drops inputs that are initializers as well, as old files have them', () => {
    const graph = graphOf(
      { input: [valueInit('x', [1, 4]), valueInit('w', [4])], initializer: [floats('w', [4], [1, 2, 3, 4])] },
      { irVersion: 3n },
    );
    assert.deepEqual(
      graph.inputs.map((input) => input.name),
      ['x'],
    );
    assert.equal(graph.irVersion, 4);
  });

  it('gives nodes unique names, keeping those that are unique already', () => {
    const chain = ['', 'a', 'a', '', 'Relu_0'];
    const node = chain.map((name, index) => ({
      name,
      opType: 'Relu',
      input: [index === 0 ? 'x' : `v${index}`],
      output: [index === chain.length - 1 ? 'y' : `v${index + 1}`],
    }));
    const names = graphOf({ node }).nodes.map((decoded) => decoded.name);
    assert.equal(new Set(names).size, chain.length);
    assert.equal(names[1], 'a');
  });

  it('puts nodes in order, and leaves an order that is right as it is', () => {
    const relu = (input: string, output: string): NodeInit => ({
      name: output,
      opType: 'Relu',
      input: [input],
      output: [output],
    });
    const add: NodeInit = { name: 'y', opType: 'Add', input: ['a', 'b'], output: ['y'] };
    const order = (node: NodeInit[]): string[] => graphOf({ node }).nodes.map((decoded) => decoded.name);
    assert.deepEqual(order([add, relu('c', 'a'), relu('x', 'b'), relu('x', 'c')]), ['c', 'a', 'b', 'y']);
    assert.deepEqual(order([relu('x', 'b'), relu('x', 'c'), relu('c', 'a'), add]), ['b', 'c', 'a', 'y']);
  });

  it('orders a chain of twenty thousand nodes that stands upside down', () => {
    const count = 20_000;
    const node = Array.from({ length: count }, (_, index) => ({
      opType: 'Relu',
      input: [index === 0 ? 'x' : `v${index - 1}`],
      output: [index === count - 1 ? 'y' : `v${index}`],
    })).reverse();
    const { nodes } = graphOf({ node });
    assert.deepEqual(nodes[0]!.inputs, ['x']);
    assert.deepEqual(nodes.at(-1)!.outputs, ['y']);
  });

  describe('constants and weights', () => {
    const sized = (bytes: number): TensorInit => floats('w', [bytes / 4], new Float32Array(bytes / 4));

    it('carries small ones along and leaves large ones in the file, without a copy', () => {
      const bytes = modelBytes({ initializer: [sized(MAX_CONSTANT_BYTES)] });
      const small = decodeModel(bytes);
      assert.deepEqual([...small.graph.weights.keys()], []);
      assert.notEqual(small.graph.constants.get('w')!.bytes.buffer, bytes.buffer);

      const large = modelBytes({ initializer: [sized(MAX_CONSTANT_BYTES + 4)] });
      const decoded = decodeModel(large);
      assert.deepEqual([...decoded.graph.constants.keys()], []);
      const content = decoded.weightBytes('w');
      assert.ok(content instanceof Uint8Array);
      assert.equal(content.buffer, large.buffer);
      assert.equal(content.byteLength, MAX_CONSTANT_BYTES + 4);
    });

    it('carries integers along up to a larger size, since planning reads them', () => {
      const integers = (count: number): TensorInit => ({
        name: 'shape',
        dataType: Type.INT64,
        dims: [BigInt(count)],
        rawData: new Uint8Array(count * 8),
      });
      const most = MAX_INTEGER_CONSTANT_BYTES / 8;
      assert.ok(graphOf({ initializer: [integers(most)] }).constants.has('shape'));
      assert.ok(graphOf({ initializer: [integers(most + 1)] }).weights.has('shape'));
    });

    it('lays weights out one after the other, at multiples of 64 bytes', () => {
      const decoded = decodeModel(
        modelBytes({
          initializer: [floats('a', [1025], new Float32Array(1025)), floats('b', [2, 1024], new Float32Array(2048))],
          node: [
            { name: 'relu', opType: 'Relu', input: ['x'], output: ['y'] },
            constantNode('c', { name: 'value', type: Kind.TENSOR, t: floats('', [1030], new Float32Array(1030)) }),
          ],
        }),
      );
      assert.deepEqual(
        [...decoded.graph.weights],
        [
          ['a', { type: 'float32', shape: [1025], offset: 0 }],
          ['b', { type: 'float32', shape: [2, 1024], offset: 4160 }],
          ['c', { type: 'float32', shape: [1030], offset: 12352 }],
        ],
      );
      assert.equal(decoded.weightBlobBytes, 12352 + 4120);
    });

    it('refuses to give the bytes of what is no weight', () => {
      const decoded = decodeModel(modelBytes());
      assert.throws(
        () => decoded.weightBytes('w'),
        (error) => error instanceof MeshError && error.code === 'INVALID_ARGUMENT',
      );
    });

    it('turns every kind of Constant node into a constant', () => {
      const kinds: readonly [Parameters<typeof constantNode>[1], string, readonly number[], readonly number[]][] = [
        [{ name: 'value', type: Kind.TENSOR, t: floats('', [2], [1, 2]) }, 'float32', [2], [1, 2]],
        [{ name: 'value_float', type: Kind.FLOAT, f: 1.5 }, 'float32', [], [1.5]],
        [{ name: 'value_floats', type: Kind.FLOATS, floats: [1, 2.5] }, 'float32', [2], [1, 2.5]],
        [{ name: 'value_int', type: Kind.INT, i: -7n }, 'int64', [], [-7]],
        [{ name: 'value_ints', type: Kind.INTS, ints: [3n, 0n] }, 'int64', [2], [3, 0]],
      ];
      for (const [attribute, type, shape, values] of kinds) {
        const graph = graphOf({
          node: [constantNode('c', attribute), { opType: 'Add', input: ['x', 'c'], output: ['y'] }],
        });
        const constant = graph.constants.get('c')!;
        assert.deepEqual([constant.type, constant.shape, numberValues(constant)], [type, shape, values]);
        assert.equal(graph.nodes.length, 1);
      }
    });

    it('keeps constants of strings and of unknown types as nodes', () => {
      const text: TensorInit = { name: 't', dataType: Type.STRING, dims: [1n], stringData: [new Uint8Array([65])] };
      const graph = graphOf({ initializer: [text] });
      assert.deepEqual(
        graph.nodes.map(({ op, outputs }) => [op, outputs]),
        [
          ['Constant', ['t']],
          ['Relu', ['y']],
        ],
      );
      assert.equal(graph.nodes[0]!.attributes.value!.kind, 'opaque');
    });
  });

  describe('element types', () => {
    it('reads the typed list that ONNX prescribes for each type', () => {
      const lists: readonly [TensorInit, string, readonly number[]][] = [
        [{ dataType: Type.FLOAT, floatData: [1.5, -2] }, 'float32', [1.5, -2]],
        [{ dataType: Type.DOUBLE, doubleData: [1.5, -2] }, 'float64', [1.5, -2]],
        [{ dataType: Type.INT8, int32Data: [1, -2] }, 'int8', [1, -2]],
        [{ dataType: Type.UINT8, int32Data: [1, 254] }, 'uint8', [1, 254]],
        [{ dataType: Type.INT16, int32Data: [1, -2] }, 'int16', [1, -2]],
        [{ dataType: Type.UINT16, int32Data: [1, 65534] }, 'uint16', [1, 65534]],
        [{ dataType: Type.INT32, int32Data: [1, -2] }, 'int32', [1, -2]],
        [{ dataType: Type.UINT32, uint64Data: [1n, 4294967294n] }, 'uint32', [1, 4294967294]],
        [{ dataType: Type.INT64, int64Data: [1n, -2n] }, 'int64', [1, -2]],
        [{ dataType: Type.UINT64, uint64Data: [1n, 2n] }, 'uint64', [1, 2]],
        [{ dataType: Type.BOOL, int32Data: [1, 0] }, 'bool', [1, 0]],
      ];
      for (const [tensor, type, values] of lists) {
        const constant = constantOf({ ...tensor, dims: [2n] });
        assert.deepEqual([constant.type, numberValues(constant)], [type, values]);
      }
    });

    it('reads half precision as bits, from raw bytes and from the list', () => {
      const raw = constantOf({ dataType: Type.FLOAT16, dims: [2n], rawData: new Uint8Array([0, 0x3c, 0, 0xc0]) });
      const list = constantOf({ dataType: Type.FLOAT16, dims: [2n], int32Data: [0x3c00, 0xc000] });
      assert.equal(raw.type, 'float16');
      assert.deepEqual(raw, list);
    });

    it('reads scalars and tensors without elements', () => {
      assert.deepEqual(numberValues(constantOf(floats('c', [], [3]))), [3]);
      assert.equal(constantOf({ dataType: Type.FLOAT, dims: [0n, 3n] }).bytes.byteLength, 0);
    });
  });

  describe('external data', () => {
    const external = (count: number, entries: Readonly<Record<string, string>>): TensorInit => ({
      name: 'w',
      dataType: Type.FLOAT,
      dims: [BigInt(count)],
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    });

    it('says where it is, with offset and length made explicit', () => {
      const decoded = decodeModel(modelBytes({ initializer: [external(4, { location: 'sub/w.bin' })] }));
      assert.deepEqual(decoded.weightBytes('w'), { location: 'sub/w.bin', offset: 0, length: 16 });
      const placed = external(4, { location: 'w.bin', offset: '4096', length: '16', checksum: 'ignored' });
      assert.deepEqual(decodeModel(modelBytes({ initializer: [placed] })).weightBytes('w'), {
        location: 'w.bin',
        offset: 4096,
        length: 16,
      });
    });

    it('reads what is small enough to be a constant, when told how', () => {
      const bytes = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
      const initializer = [external(4, { location: 'w.bin', offset: '8' })];
      const { graph } = decodeModel(modelBytes({ initializer }), {
        readExternal: ({ offset, length }) => (offset === 8 && length === 16 ? bytes : new Uint8Array()),
      });
      assert.deepEqual(numberValues(graph.constants.get('w')!), [1, 2, 3, 4]);
    });
  });

  describe('attributes', () => {
    const attributesOf = (attribute: NonNullable<NodeInit['attribute']>) =>
      graphOf({ node: [{ opType: 'Relu', input: ['x'], output: ['y'], attribute }] }).nodes[0]!.attributes;

    it('reads every kind', () => {
      const text = new TextEncoder().encode('SAME_UPPER');
      assert.deepEqual(
        attributesOf([
          { name: 'f', type: Kind.FLOAT, f: 0.5 },
          { name: 'i', type: Kind.INT, i: -3n },
          { name: 's', type: Kind.STRING, s: text },
          { name: 'fs', type: Kind.FLOATS, floats: [1, 2] },
          { name: 'is', type: Kind.INTS, ints: [1n, -1n] },
          { name: 'ss', type: Kind.STRINGS, strings: [text] },
        ]),
        {
          f: { kind: 'float', value: 0.5 },
          i: { kind: 'int', value: -3 },
          s: { kind: 'string', value: 'SAME_UPPER' },
          fs: { kind: 'floats', value: [1, 2] },
          is: { kind: 'ints', value: [1, -1] },
          ss: { kind: 'strings', value: ['SAME_UPPER'] },
        },
      );
    });

    it('tells the kind by the field that is set where old files do not say it', () => {
      assert.deepEqual(
        attributesOf([
          { name: 'i', i: 3n },
          { name: 'is', ints: [1n] },
          { name: 'f', f: 2 },
        ]),
        {
          i: { kind: 'int', value: 3 },
          is: { kind: 'ints', value: [1] },
          f: { kind: 'float', value: 2 },
        },
      );
    });
  });

  it('finds what sub-graphs read from outside, however deep', () => {
    const inner: GraphInit = {
      name: 'inner',
      node: [{ opType: 'Add', input: ['own', 'deep'], output: ['o'] }],
      output: [valueInit('o', [])],
    };
    const body: GraphInit = {
      name: 'body',
      initializer: [floats('own', [], [1])],
      node: [
        { opType: 'Add', input: ['own', 'outer'], output: ['local'] },
        { opType: 'If', input: ['local'], output: ['r'], attribute: [graphAttribute('then_branch', inner)] },
      ],
      output: [valueInit('r', [])],
    };
    const graph = graphOf({
      node: [
        { opType: 'If', input: ['x'], output: ['y'], attribute: [graphAttribute('then_branch', body)] },
        { opType: 'Relu', input: ['x'], output: ['outer'] },
        { opType: 'Relu', input: ['x'], output: ['deep'] },
      ],
    });
    const branch = graph.nodes.find((node) => node.op === 'If')!;
    assert.deepEqual(branch.captures, ['outer', 'deep']);
    assert.equal(branch.attributes.then_branch!.kind, 'opaque');
    assert.equal(graph.nodes.at(-1), branch);
  });
});
