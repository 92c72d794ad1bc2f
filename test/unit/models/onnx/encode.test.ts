import assert from 'node:assert/strict';
import { fromBinary } from '@bufbuild/protobuf';
import { InferenceSession, Tensor as SessionTensor } from 'onnxruntime-node';
import { ModelProtoSchema, TensorProto_DataType as Type } from 'onnx-buf';
import { decodeModel } from '../../../../models/onnx/decode.ts';
import { encodeGraph, encodeProgram } from '../../../../models/onnx/encode.ts';
import type { Attribute, Graph } from '../../../../src/core/graph/graph.ts';
import type { Program } from '../../../../src/core/program/program.ts';
import { fromFloat32, fromInt64 } from '../../../../src/core/tensor/tensor.ts';
import { constantNode, graphAttribute, modelBytes, valueInit } from './files.ts';

const ATTRIBUTES: Readonly<Record<string, Attribute>> = {
  f: { kind: 'float', value: 0.5 },
  i: { kind: 'int', value: -3 },
  s: { kind: 'string', value: 'größer' },
  t: { kind: 'tensor', value: fromFloat32([2], [1, 2]) },
  fs: { kind: 'floats', value: [1, -Infinity] },
  is: { kind: 'ints', value: [1, -1] },
  ss: { kind: 'strings', value: ['a', ''] },
};

const GRAPH: Graph = {
  name: 'net',
  irVersion: 8,
  opsets: { '': 13, 'com.microsoft': 1 },
  inputs: [{ name: 'x', type: 'float32', dims: ['N', 3, 'height', 32] }],
  outputs: [
    { name: 'y', type: 'float32', dims: ['N', 10] },
    { name: 'z', type: 'int64', dims: ['...'] },
    { name: 'scalar', type: 'bool', dims: [] },
  ],
  nodes: [
    {
      name: 'a',
      op: 'A',
      domain: 'com.microsoft',
      inputs: ['x', '', 'w'],
      outputs: ['y', 'z'],
      attributes: ATTRIBUTES,
      captures: [],
    },
    { name: 'b', op: 'B', domain: '', inputs: ['y', 'c'], outputs: ['scalar'], attributes: {}, captures: [] },
  ],
  constants: new Map([['c', fromInt64([2], [1, -1])]]),
  weights: new Map([
    ['w', { type: 'float32', shape: [2000], offset: 0 }],
    ['v', { type: 'float32', shape: [1025, 1], offset: 8000 }],
  ]),
  declared: new Map([['between', { name: 'between', type: 'float32', dims: ['N', 7] }]]),
};

describe('models/onnx/encode', () => {
  it('writes graphs that decode to themselves, weights beside the file', () => {
    const decoded = decodeModel(encodeGraph(GRAPH, 'weights.bin'));
    assert.deepEqual(decoded.graph, GRAPH);
    assert.deepEqual(decoded.weightBytes('v'), { location: 'weights.bin', offset: 8000, length: 4100 });
  });

  it('writes graphs that decode to themselves, weights inside', () => {
    const bytes = { w: new Uint8Array(8000).fill(1), v: new Uint8Array(4100).fill(2) };
    const decoded = decodeModel(encodeGraph(GRAPH, (name) => bytes[name as 'w' | 'v']));
    assert.deepEqual(decoded.graph, GRAPH);
    assert.deepEqual(Uint8Array.from(decoded.weightBytes('v') as Uint8Array), bytes.v);
  });

  it('keeps the largest integer, which means "to the end", apart from overflow', () => {
    const attributes: Record<string, Attribute> = { ends: { kind: 'ints', value: [2 ** 63, -(2 ** 63)] } };
    const node = { name: 'n', op: 'Slice', domain: '', inputs: ['x'], outputs: ['y'], attributes, captures: [] };
    const encoded = encodeGraph({ ...GRAPH, outputs: [GRAPH.outputs[0]!], nodes: [node] }, 'w');
    const { ints } = fromBinary(ModelProtoSchema, encoded).graph!.node[0]!.attribute[0]!;
    assert.deepEqual(ints, [2n ** 63n - 1n, -(2n ** 63n)]);
  });

  it('hands sub-graphs on as they are: the runtime executes what was decoded and encoded', async () => {
    const branch = (name: string, op: string) =>
      graphAttribute(name, {
        name,
        node: [{ opType: op, input: ['x', 'two'], output: ['r'] }],
        output: [valueInit('r', [2])],
      });
    const { graph } = decodeModel(
      modelBytes({
        input: [valueInit('x', [2]), valueInit('which', [], Type.BOOL)],
        output: [valueInit('y', [2])],
        node: [
          {
            opType: 'If',
            input: ['which'],
            output: ['y'],
            attribute: [branch('then_branch', 'Add'), branch('else_branch', 'Mul')],
          },
          constantNode('two', { name: 'value_float', f: 2 }),
        ],
      }),
    );
    const session = await InferenceSession.create(encodeGraph(graph, 'nothing'));
    const run = async (which: boolean): Promise<unknown> => {
      const feeds = { x: new SessionTensor('float32', [3, 5], [2]), which: new SessionTensor('bool', [which], []) };
      return [...((await session.run(feeds)).y!.data as Float32Array)];
    };
    assert.deepEqual(await run(true), [5, 7]);
    assert.deepEqual(await run(false), [6, 10]);
  });

  describe('programs', () => {
    const program: Program = {
      key: 'block',
      irVersion: 8,
      opsets: GRAPH.opsets,
      nodes: [GRAPH.nodes[0]!],
      feeds: [{ name: 'x', type: 'float32', rank: 4 }],
      parameters: [{ name: 'pads', type: 'int64', rank: 1 }],
      outputs: [
        { name: 'y', type: 'float32', rank: 2 },
        { name: 'z', type: 'int64' },
      ],
      constants: new Map([['c', fromInt64([1], [7])]]),
      weights: new Map([
        [
          'w',
          {
            weight: 'conv.w',
            type: 'float32',
            shape: [8, 3],
            offset: 64,
            region: [
              { start: 2, end: 6 },
              { start: 0, end: 3 },
            ],
          },
        ],
        ['v', { weight: 'conv.v', type: 'float32', shape: [2], offset: 0, region: [{ start: 1, end: 2 }] }],
      ]),
    };
    const encoded = encodeProgram(program, (name, slice) =>
      name === 'w'
        ? { kind: 'external', location: 'weights.bin', offset: slice.offset + 24, length: 48 }
        : { kind: 'inline', bytes: new Uint8Array(4).fill(9) },
    );
    const decoded = decodeModel(encoded);
    const { graph } = decoded;

    it('take feeds and parameters of fixed rank and open dimensions, each with a name of its own', () => {
      assert.deepEqual(graph.inputs, [
        { name: 'x', type: 'float32', dims: ['x_0', 'x_1', 'x_2', 'x_3'] },
        { name: 'pads', type: 'int64', dims: ['pads_0'] },
      ]);
      assert.deepEqual(graph.outputs, [
        { name: 'y', type: 'float32', dims: ['y_0', 'y_1'] },
        { name: 'z', type: 'int64', dims: ['...'] },
      ]);
    });

    it('have the weights of their slices, where they were placed', () => {
      assert.deepEqual(graph.weights.get('w')!.shape, [4, 3]);
      assert.deepEqual(decoded.weightBytes('w'), { location: 'weights.bin', offset: 88, length: 48 });
      assert.deepEqual([...graph.constants.get('v')!.bytes], [9, 9, 9, 9]);
    });
  });
});
