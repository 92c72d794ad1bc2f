/** The network that simulated peers run: small, and cut with halos between its blocks. */
import { MeshError } from '../../src/core/errors.ts';
import { bindGraph } from '../../src/core/graph/bind.ts';
import type { Graph, Node } from '../../src/core/graph/graph.ts';
import type { ModelId } from '../../src/core/ids.ts';
import { encodePlan } from '../../src/core/plan/encode.ts';
import { planRequest } from '../../src/core/plan/planner.ts';
import { fromFloat32, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { Planner } from '../../src/mesh/plan-thread.ts';

export const MODEL_ID = 'a'.repeat(64) as ModelId;
const CHANNELS = 1;
const SHAPE = [1, CHANNELS, 10, 3];

const ints = (value: readonly number[]) => ({ kind: 'ints' as const, value });
const WINDOW = { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) };

const node = (op: string, inputs: readonly string[], output: string, attributes: Node['attributes'] = {}): Node => ({
  name: output,
  op,
  domain: '',
  inputs,
  outputs: [output],
  attributes,
  captures: [],
});

const filters = (salt: number): Tensor =>
  fromFloat32(
    [CHANNELS, CHANNELS, 3, 3],
    Float32Array.from({ length: CHANNELS * CHANNELS * 9 }, (_, index) => ((index * 7 + salt) % 11) - 5),
  );

export const GRAPH: Graph = {
  name: 'simulated',
  irVersion: 8,
  opsets: { '': 13 },
  inputs: [{ name: 'x', type: 'float32', dims: SHAPE }],
  outputs: [{ name: 'y', type: 'float32', dims: SHAPE }],
  nodes: [
    node('Conv', ['x', 'w1'], 'a', WINDOW),
    node('Relu', ['a'], 'b'),
    node('MaxPool', ['b'], 'c', WINDOW),
    node('Conv', ['c', 'w2'], 'y', WINDOW),
  ],
  constants: new Map([
    ['w1', filters(3)],
    ['w2', filters(5)],
  ]),
  weights: new Map(),
};

/** Inputs that give answers of their own. */
export const VARIANTS = 4;

export const inputOf = (variant: number): ReadonlyMap<string, Tensor> =>
  new Map([
    [
      'x',
      fromFloat32(
        SHAPE,
        Float32Array.from(
          { length: SHAPE.reduce((a, b) => a * b) },
          (_, index) => ((index * 13 + variant * 31) % 17) - 8,
        ),
      ),
    ],
  ]);

/** Plans made in this thread; what has been asked before is not worked out again. */
export function createPlanner(): Planner {
  const made = new Map<string, Uint8Array | MeshError>();
  return {
    plan: (question) => {
      const { inputs, arithmetic, ...rest } = question;
      const peers = rest.peers.map(({ peer, macsPerSecond, memoryBudgetBytes }) => [
        peer,
        macsPerSecond,
        memoryBudgetBytes,
      ]);
      const key = JSON.stringify([peers, rest.coordinator, rest.parallelism, rest.isCold, rest.concurrency]);
      let answer = made.get(key);
      if (answer === undefined) {
        try {
          answer = encodePlan(planRequest({ ...rest, bound: bindGraph(GRAPH, inputs, arithmetic) }));
        } catch (error) {
          if (!(error instanceof MeshError)) throw error;
          answer = error;
        }
        made.set(key, answer);
      }
      return answer instanceof MeshError ? Promise.reject(answer) : Promise.resolve(answer);
    },
    close: () => Promise.resolve(),
  };
}
