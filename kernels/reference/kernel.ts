/**
 * The oracle of the tests: plain loops in double precision, rounded to the element type after every operator. It is slow,
 * runs in the calling thread, and is written to be obviously right rather than anything else.
 */
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import type { Node } from '../../src/core/graph/graph.ts';
import type { Program } from '../../src/core/program/program.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import { throwIfCancelled } from '../abandonable.ts';
import type { Kernel, KernelRun, WeightFile } from '../kernel.ts';
import { checkWeightFile, readSlices } from '../weight-slice.ts';
import { fromTensor, toTensor, type Value } from './operator.ts';
import { OPERATORS } from './operators.ts';

interface Prepared {
  readonly program: Program;
  readonly constants: ReadonlyMap<string, Value>;
}

export function createReferenceKernel(): Kernel {
  const prepared = new Map<string, Prepared>();
  let isClosed = false;
  const throwIfClosed = (): void => {
    if (isClosed) throw new MeshError('KERNEL_FAILED', 'the kernel is closed; ask another peer');
  };
  return {
    name: 'reference',
    memoryBytes: Infinity,
    async prepare(program, weights, signal) {
      throwIfCancelled(signal);
      throwIfClosed();
      if (prepared.has(program.key)) return;
      for (const node of program.nodes) checkNode(node);
      await checkWeightFile(program, weights);
      const constants = readConstants(program, weights);
      throwIfCancelled(signal);
      prepared.set(program.key, { program, constants });
    },
    run(key, inputs, signal) {
      return new Promise((resolve) => {
        throwIfCancelled(signal);
        throwIfClosed();
        const entry = prepared.get(key);
        if (entry === undefined) {
          throw new MeshError('KERNEL_FAILED', `program ${key} is not prepared; prepare it before running it`);
        }
        resolve(execute(entry, inputs));
      });
    },
    release(key) {
      prepared.delete(key);
      return Promise.resolve();
    },
    close() {
      isClosed = true;
      prepared.clear();
      return Promise.resolve();
    },
  };
}

function checkNode(node: Node): void {
  if (Object.hasOwn(OPERATORS, node.op)) return;
  throw new MeshError('INVALID_MODEL', `the reference kernel has no ${node.op} (node "${node.name}")`);
}

function readConstants(program: Program, weights: WeightFile | null): Map<string, Value> {
  const constants = new Map([...program.constants].map(([name, tensor]) => [name, fromTensor(tensor)]));
  if (weights === null || program.weights.size === 0) return constants;
  const tensors = readSlices(weights.path, [...program.weights.values()]);
  for (const [index, name] of [...program.weights.keys()].entries()) constants.set(name, fromTensor(tensors[index]!));
  return constants;
}

function execute({ program, constants }: Prepared, inputs: ReadonlyMap<string, Tensor>): KernelRun {
  const start = performance.now();
  const values = new Map(constants);
  for (const { name, type, rank } of [...program.feeds, ...program.parameters]) {
    const input = inputs.get(name);
    if (input?.type !== type || (rank !== undefined && input.shape.length !== rank)) {
      throw new MeshError('KERNEL_FAILED', `input "${name}" should be a ${type} tensor of rank ${rank ?? 'any'}`);
    }
    values.set(name, fromTensor(input));
  }
  for (const node of program.nodes) {
    const results = apply(node, program, values);
    for (const [position, result] of results.entries()) values.set(node.outputs[position]!, result);
  }
  const outputs = program.outputs.map(({ name }) => [name, toTensor(values.get(name)!)] as const);
  return { outputs: new Map(outputs), computeMs: performance.now() - start };
}

function apply(node: Node, program: Program, values: ReadonlyMap<string, Value>): readonly Value[] {
  const operator = OPERATORS[node.op]!;
  const inputs = node.inputs.map((name) => values.get(name));
  try {
    return operator({ node, inputs, opset: program.opsets[node.domain] ?? 1 });
  } catch (error) {
    throw toMeshError(error, 'KERNEL_FAILED');
  }
}
