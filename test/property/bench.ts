/** A graph and its weights, ready to be run in this process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kernel, WeightFile } from '../../kernels/kernel.ts';
import type { BoundGraph } from '../../src/core/graph/bind.ts';
import type { ModelId } from '../../src/core/ids.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import { executePlan } from '../../src/verify/execute.ts';

export interface Bench {
  readonly kernel: Kernel;
  readonly modelId: ModelId;
  /** Another one every time: plans of ids of their own can run at the same time, since they share no programs. */
  freshModelId(): ModelId;
  weights(blob: Uint8Array): WeightFile | null;
  run(
    bound: BoundGraph,
    plan: Plan,
    weights: WeightFile | null,
    inputs: ReadonlyMap<string, Tensor>,
    /** Another kernel than the bench's own. */
    kernel?: Kernel,
  ): Promise<Map<string, Tensor>>;
  close(): Promise<void>;
}

/** One kernel and one folder for all cases of a suite. */
export function openBench(kernel: Kernel): Bench {
  const folder = mkdtempSync(join(tmpdir(), 'tilemesh-property-'));
  let files = 0;
  let models = 0;
  return {
    kernel,
    modelId: 'a'.repeat(64) as ModelId,
    // Programs are told apart by the first digits.
    freshModelId: () => (models++).toString(16).padStart(8, '0').padEnd(64, '0') as ModelId,
    weights: (blob) => {
      if (blob.byteLength === 0) return null;
      // Programs keep a file mapped while they are prepared; a few names used in turn are enough.
      const path = join(folder, `weights-${files++ % 16}.bin`);
      rmSync(path, { force: true });
      writeFileSync(path, blob);
      return { path };
    },
    run: (bound, plan, weights, inputs, own = kernel) =>
      executePlan({ bound, plan, kernel: own, weights, inputs, signal: AbortSignal.timeout(20_000) }),
    close: async () => {
      await kernel.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
