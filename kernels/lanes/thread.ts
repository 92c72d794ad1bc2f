/**
 * The thread or process of one lane: opens sessions of its runtime and runs them. Requests are carried out one after the other, in the
 * order in which they came.
 */
import type { InferenceSession, Tensor as SessionTensor, TensorConstructor } from 'onnxruntime-web';
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import type { KernelRun } from '../kernel.ts';
import { discard, toTransfer } from '../transfer.ts';
import { readSlices } from '../weight-slice.ts';
import { withTransformedWeights } from '../winograd/model-weights.ts';
import { laneEnd } from './ends.ts';
import { insideRuntime } from './exit-guard.ts';
import type { Command, Request } from './messages.ts';
import type { SessionDefinition } from './session-definition.ts';
import { fromSessionTensor, toSessionTensor } from './session-tensors.ts';

/** ONNX Runtime, in one of its builds. */
export interface Runtime {
  readonly Tensor: TensorConstructor;
  /**
   * Any failure counts as one of the model, but for a MeshError.
   * @param held weights that the model refers to by location, to be handed over in memory.
   * @param threads that a run is to use.
   */
  open(definition: SessionDefinition, held: ReadonlyMap<string, Tensor>, threads: number): Promise<InferenceSession>;
}

/** Errors are thrown; the runtime need not print them as well. */
const LOG_FATAL = 4;

/** Options of sessions that do not depend on the build. */
export const sessionOptions = (
  { isPrepacked }: SessionDefinition,
  held: ReadonlyMap<string, Tensor>,
  extra: Readonly<Record<string, unknown>> = {},
): InferenceSession.SessionOptions => ({
  graphOptimizationLevel: 'all',
  executionMode: 'sequential',
  logSeverityLevel: LOG_FATAL,
  externalData: [...held].map(([path, { bytes }]) => ({ path, data: bytes })),
  extra: { session: { disable_prepacking: isPrepacked ? '0' : '1', ...extra } },
});

/** Serves the lane that started this thread or process. Called once, by its own module. */
export function serveLane(runtime: Runtime): void {
  const end = laneEnd();
  const { threads, guard } = end;
  const sessions = new Map<string, InferenceSession>();

  async function prepare(definition: SessionDefinition): Promise<void> {
    const held = readHeld(definition);
    try {
      const model = withTransformedWeights(definition);
      sessions.set(definition.session, await runtime.open({ ...definition, model }, held, threads));
    } catch (cause) {
      if (cause instanceof MeshError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new MeshError('INVALID_MODEL', `ONNX Runtime cannot execute program ${definition.session}: ${reason}`, {
        cause,
      });
    }
  }

  async function run(name: string, inputs: ReadonlyMap<string, Tensor>): Promise<KernelRun> {
    const session = sessions.get(name);
    if (session === undefined) {
      throw new MeshError('KERNEL_FAILED', `program ${name} is no longer prepared; prepare it again`);
    }
    const feeds: Record<string, SessionTensor> = {};
    for (const [name, tensor] of inputs) feeds[name] = toSessionTensor(runtime.Tensor, name, tensor);
    const start = performance.now();
    const results = await session.run(feeds, { logSeverityLevel: LOG_FATAL });
    const computeMs = performance.now() - start;
    discard(inputs);
    const outputs = Object.entries(results).map(([name, result]) => [name, fromSessionTensor(name, result)] as const);
    return { outputs: new Map(outputs), computeMs };
  }

  async function release(name: string): Promise<void> {
    const session = sessions.get(name);
    sessions.delete(name);
    await session?.release();
  }

  async function execute(command: Command): Promise<KernelRun | undefined> {
    switch (command.kind) {
      case 'prepare':
        await prepare(command.definition);
        return undefined;
      case 'run':
        return run(command.session, command.inputs);
      case 'release':
        await release(command.session);
        return undefined;
      case 'close':
        for (const name of [...sessions.keys()]) await release(name);
        end.close();
        return undefined;
    }
  }

  async function answer({ id, command }: Request): Promise<void> {
    try {
      const result = await insideRuntime(guard, () => execute(command));
      if (result === undefined) {
        end.reply({ id, ok: true });
        return;
      }
      const { tensors, buffers } = toTransfer(result.outputs);
      end.reply({ id, ok: true, run: { ...result, outputs: tensors } }, buffers);
    } catch (error) {
      if (isTrap(error)) throw error;
      const { code, message } = toMeshError(error, 'KERNEL_FAILED');
      end.reply({ id, ok: false, code, message });
    }
  }

  let last = Promise.resolve();
  end.onRequest((request: Request) => {
    last = last.then(() => answer(request));
  });
}

/**
 * A trap leaves the memory of a WebAssembly runtime as it was in the middle of something. It ends the thread, in whose place
 * the lane starts another.
 */
const isTrap = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'RuntimeError' || (error instanceof MeshError && isTrap(error.cause)));

function readHeld({ held, weightPath }: SessionDefinition): ReadonlyMap<string, Tensor> {
  if (held.length === 0 || weightPath === null) return new Map();
  const tensors = readSlices(
    weightPath,
    held.map(({ slice }) => slice),
  );
  return new Map(held.map(({ location }, index) => [location, tensors[index]!]));
}
