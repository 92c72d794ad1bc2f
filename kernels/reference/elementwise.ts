/** Operators that compute each element of the output from the elements at the same place of the inputs. */
import { floatAttribute, type Node } from '../../src/core/graph/graph.ts';
import type { DataType } from '../../src/core/tensor/data-type.ts';
import { blank, broadcastAt, broadcastShapes, indicesOf, required, value, type Operator } from './operator.ts';

const unary =
  (compute: (x: number, node: Node) => number): Operator =>
  (call) => {
    const x = required(call, 0);
    return [
      value(
        x.type,
        x.shape,
        x.data.map((element) => compute(element, call.node)),
      ),
    ];
  };

/** Any number of inputs, broadcast over each other and folded from the left. */
const folded =
  (compute: (a: number, b: number, type: DataType) => number): Operator =>
  (call) => {
    const inputs = call.inputs.map((_, position) => required(call, position));
    const shape = broadcastShapes(inputs.map((input) => input.shape));
    const { type } = inputs[0]!;
    const y = blank(shape);
    for (const [position, index] of indicesOf(shape).entries()) {
      y[position] = inputs.map((input) => broadcastAt(input, index)).reduce((a, b) => compute(a, b, type));
    }
    return [value(type, shape, y)];
  };

const isFloat = (type: DataType): boolean => type.startsWith('float');
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

const clip: Operator = (call) => {
  const x = required(call, 0);
  const low = call.inputs[1]?.data[0] ?? floatAttribute(call.node, 'min', -Infinity);
  const high = call.inputs[2]?.data[0] ?? floatAttribute(call.node, 'max', Infinity);
  return [
    value(
      x.type,
      x.shape,
      x.data.map((element) => clamp(element, low, high)),
    ),
  ];
};

/** By its power series, which double precision can take that far; from 4 on single precision sees only 1. */
function erf(x: number): number {
  if (Math.abs(x) > 4) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 100; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

export const ELEMENTWISE = {
  Add: folded((a, b) => a + b),
  Sub: folded((a, b) => a - b),
  Mul: folded((a, b) => a * b),
  Div: folded((a, b, type) => (isFloat(type) ? a / b : Math.trunc(a / b))),
  Pow: folded((a, b) => a ** b),
  Min: folded((a, b) => Math.min(a, b)),
  Max: folded((a, b) => Math.max(a, b)),
  Sum: folded((a, b) => a + b),
  PRelu: folded((a, b) => (a < 0 ? a * b : a)),
  Identity: unary((x) => x),
  Dropout: unary((x) => x),
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Sqrt: unary(Math.sqrt),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Tanh: unary(Math.tanh),
  Erf: unary(erf),
  Relu: unary((x) => Math.max(x, 0)),
  Sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  Softplus: unary((x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0)),
  LeakyRelu: unary((x, node) => (x < 0 ? x * floatAttribute(node, 'alpha', 0.01) : x)),
  Elu: unary((x, node) => (x < 0 ? floatAttribute(node, 'alpha', 1) * Math.expm1(x) : x)),
  HardSigmoid: unary((x, node) =>
    clamp(floatAttribute(node, 'alpha', 0.2) * x + floatAttribute(node, 'beta', 0.5), 0, 1),
  ),
  HardSwish: unary((x) => x * clamp(x / 6 + 0.5, 0, 1)),
  Clip: clip,
} as const satisfies Record<string, Operator>;
