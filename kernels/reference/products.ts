/** Matrix products. Source: ONNX operators Gemm-13, MatMul-13. */
import { MeshError } from '../../src/core/errors.ts';
import { floatAttribute, intAttribute } from '../../src/core/graph/graph.ts';
import {
  blank,
  broadcastAt,
  broadcastShapes,
  indicesOf,
  offsetOf,
  required,
  value,
  type Operator,
} from './operator.ts';

export const gemm: Operator = (call) => {
  const { node } = call;
  const a = required(call, 0);
  const b = required(call, 1);
  const c = call.inputs[2];
  const transA = intAttribute(node, 'transA', 0) === 1;
  const transB = intAttribute(node, 'transB', 0) === 1;
  const alpha = floatAttribute(node, 'alpha', 1);
  const beta = floatAttribute(node, 'beta', 1);
  const [rows, inner] = (transA ? [...a.shape].reverse() : a.shape) as [number, number];
  const [depth, columns] = (transB ? [...b.shape].reverse() : b.shape) as [number, number];
  if (inner !== depth)
    throw new MeshError('KERNEL_FAILED', `node "${node.name}" multiplies ${inner} by ${depth} elements`);
  const shape = [rows, columns];
  const y = blank(shape);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) {
        sum +=
          a.data[transA ? k * rows + row : row * inner + k]! *
          b.data[transB ? column * inner + k : k * columns + column]!;
      }
      const added = c === undefined ? 0 : beta * broadcastAt(c, [row, column]);
      y[row * columns + column] = alpha * sum + added;
    }
  }
  return [value(a.type, shape, y)];
};

/** Of the last two axes, for every index of the others; a vector counts as a matrix of one row or column. */
export const matMul: Operator = (call) => {
  const left = required(call, 0);
  const right = required(call, 1);
  const a = left.shape.length === 1 ? { ...left, shape: [1, left.shape[0]!] } : left;
  const b = right.shape.length === 1 ? { ...right, shape: [right.shape[0]!, 1] } : right;
  const [rows, inner] = a.shape.slice(-2) as [number, number];
  const [depth, columns] = b.shape.slice(-2) as [number, number];
  if (inner !== depth) {
    throw new MeshError('KERNEL_FAILED', `node "${call.node.name}" multiplies ${inner} by ${depth} elements`);
  }
  const batch = broadcastShapes([a.shape.slice(0, -2), b.shape.slice(0, -2)]);
  const full = [...batch, rows, columns];
  const y = blank(full);
  for (const index of indicesOf(full)) {
    const row = index.at(-2)!;
    const column = index.at(-1)!;
    const outer = index.slice(0, -2);
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += broadcastAt(a, [...outer, row, k]) * broadcastAt(b, [...outer, k, column]);
    y[offsetOf(index, full)] = sum;
  }
  const shape = [...batch, ...(left.shape.length === 1 ? [] : [rows]), ...(right.shape.length === 1 ? [] : [columns])];
  return [value(left.type, shape, y)];
};
