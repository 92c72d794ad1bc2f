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
  readonly modelId: ModelId;
  weights(blob: Uint8Array): WeightFile | null;
  run(
    bound: BoundGraph,
    plan: Plan,
    weights: WeightFile | null,
    inputs: ReadonlyMap<string, Tensor>,
  ): Promise<Map<string, Tensor>>;
  close(): Promise<void>;
}

/** One kernel and one folder for all cases of a suite. */
export function openBench(kernel: Kernel): Bench {
  const folder = mkdtempSync(join(tmpdir(), 'tilemesh-property-'));
  let files = 0;
  return {
    modelId: 'a'.repeat(64) as ModelId,
    weights: (blob) => {
      if (blob.byteLength === 0) return null;
      // Programs keep a file mapped while they are prepared; a few names used in turn are enough.
      const path = join(folder, `weights-${files++ % 16}.bin`);
      rmSync(path, { force: true });
      writeFileSync(path, blob);
      return { path };
    },
    run: (bound, plan, weights, inputs) =>
      executePlan({ bound, plan, kernel, weights, inputs, signal: AbortSignal.timeout(20_000) }),
    close: async () => {
      await kernel.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
