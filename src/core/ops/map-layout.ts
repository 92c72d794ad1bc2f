/** Operators that do not mind in which layout a map is: what may stand between convolutions by minimal filtering. */
import { intAttribute, intsAttribute, stringAttribute, type Node } from '../graph/graph.ts';

/** Elementwise operators of one input. */
const ACTIVATIONS: ReadonlySet<string> = new Set([
  'Relu',
  'LeakyRelu',
  'Sigmoid',
  'Tanh',
  'Elu',
  'HardSigmoid',
  'HardSwish',
]);

const LAYOUT_FREE: ReadonlySet<string> = new Set([...ACTIVATIONS, 'Add', 'Sub', 'Mul', 'Sum', 'Max', 'Min']);

export const isActivation = ({ domain, op }: Node): boolean => domain === '' && ACTIVATIONS.has(op);

/** Whether it is the same in any layout, as long as all that it reads has it. */
export const isLayoutFree = ({ domain, op }: Node): boolean => domain === '' && LAYOUT_FREE.has(op);

/** Whether a node is a MaxPool of 2x2 with stride 2 that begins at the first output and leaves out what is half a window. */
export function isHalvingPool(node: Node): boolean {
  const all = (name: string, value: number): boolean =>
    (intsAttribute(node, name) ?? [value]).every((own) => own === value);
  return (
    node.op === 'MaxPool' &&
    node.domain === '' &&
    node.outputs.length === 1 &&
    intsAttribute(node, 'kernel_shape')?.join() === '2,2' &&
    intsAttribute(node, 'strides')?.join() === '2,2' &&
    all('pads', 0) &&
    all('dilations', 1) &&
    intAttribute(node, 'ceil_mode', 0) === 0 &&
    stringAttribute(node, 'auto_pad', 'NOTSET') === 'NOTSET'
  );
}
