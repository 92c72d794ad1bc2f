/** Slices picked along one axis by an index each, counted from the end when negative. */
import { intAttribute } from '../../src/core/graph/graph.ts';
import { MeshError } from '../../src/core/errors.ts';
import { blank, indicesOf, normalAxis, offsetOf, required, value, type Operator } from './operator.ts';

export const gather: Operator = (call) => {
  const data = required(call, 0);
  const indices = required(call, 1);
  const axis = normalAxis(intAttribute(call.node, 'axis', 0), data.shape.length);
  const end = axis + indices.shape.length;
  const extent = data.shape[axis]!;
  const shape = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)];
  const y = blank(shape);
  for (const [position, index] of indicesOf(shape).entries()) {
    const picked = indices.data[offsetOf(index.slice(axis, end), indices.shape)]!;
    if (picked < -extent || picked >= extent) {
      throw new MeshError('KERNEL_FAILED', `node "${call.node.name}" picks ${picked} of ${extent}: check the input`);
    }
    const source = [...index.slice(0, axis), picked < 0 ? picked + extent : picked, ...index.slice(end)];
    y[position] = data.data[offsetOf(source, data.shape)]!;
  }
  return [value(data.type, shape, y)];
};
