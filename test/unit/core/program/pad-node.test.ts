import assert from 'node:assert/strict';
import { MeshError } from '../../../../src/core/errors.ts';
import { padNode, type PadRequest } from '../../../../src/core/program/pad-node.ts';
import { numberValues } from '../../../../src/core/tensor/tensor.ts';

const request: PadRequest = { name: 'p', input: 'x', pads: 'pads', fill: 0, output: 'y', opset: 13 };
const isInvalid = (error: unknown): boolean => error instanceof MeshError && error.code === 'INVALID_MODEL';

describe('core/program/pad-node', () => {
  it("is ONNX's own Pad where that takes amounts as an input, and the runtime's before", () => {
    const modern = padNode({ ...request, opset: 11 });
    assert.deepEqual([modern.node.domain, modern.opsets], ['', {}]);
    const old = padNode({ ...request, opset: 10 });
    assert.deepEqual([old.node.domain, old.opsets], ['com.microsoft', { 'com.microsoft': 1 }]);
    assert.deepEqual([...old.node.inputs, ...old.node.outputs], ['x', 'pads', 'y']);
  });

  it('brings its fill value along as a constant, unless that is zero', () => {
    assert.equal(padNode(request).constants.size, 0);
    for (const fill of [-Infinity, 7]) {
      for (const type of ['float32', 'float64'] as const) {
        const { node, constants } = padNode({ ...request, fill, type });
        const constant = constants.get(node.inputs[2]!)!;
        assert.deepEqual([constant.type, constant.shape, numberValues(constant)], [type, [], [fill]]);
      }
    }
  });

  it('has the bits of minus infinity for half precision', () => {
    const bitsOf = (type: 'float16' | 'bfloat16'): number[] => [
      ...padNode({ ...request, fill: -Infinity, type }).constants.get('p/fill')!.bytes,
    ];
    assert.deepEqual(bitsOf('float16'), [0x00, 0xfc]);
    assert.deepEqual(bitsOf('bfloat16'), [0x80, 0xff]);
  });

  it('refuses what cannot be padded: integers with minus infinity, and all but float32 in old operator sets', () => {
    assert.throws(() => padNode({ ...request, fill: -Infinity, type: 'uint8' }), isInvalid);
    assert.throws(() => padNode({ ...request, opset: 9, type: 'float64' }), isInvalid);
  });
});
