/** Constant and Cast. Source: ONNX operators Constant-13, Cast-13. */
import { intAttribute } from '../../src/core/graph/graph.ts';
import { typeName } from '../../models/onnx/tensor-proto.ts';
import { fromTensor, required, unsupported, value, type Operator } from './operator.ts';

export const constant: Operator = (call) => {
  for (const [name, attribute] of Object.entries(call.node.attributes)) {
    if (attribute.kind === 'tensor') return [fromTensor(attribute.value)];
    if (attribute.kind === 'float') return [value('float32', [], Float64Array.of(attribute.value))];
    if (attribute.kind === 'int') return [value('int64', [], Float64Array.of(attribute.value))];
    if (attribute.kind === 'floats' || attribute.kind === 'ints') {
      const type = attribute.kind === 'floats' ? 'float32' : 'int64';
      return [value(type, [attribute.value.length], Float64Array.from(attribute.value))];
    }
    throw unsupported(call, name);
  }
  throw unsupported(call, 'no value');
};

export const cast: Operator = (call) => {
  const x = required(call, 0);
  const type = typeName(intAttribute(call.node, 'to', 0));
  if (type === undefined) throw unsupported(call, 'an unknown type');
  return [value(type, x.shape, type === 'bool' ? x.data.map((element) => (element === 0 ? 0 : 1)) : x.data)];
};
