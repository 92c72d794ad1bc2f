/** The whole model's times on a share of a core, and what its answers have to be. */
import { differenceOf } from '../../demo/whole-model.ts';
import type { Expected } from '../ask.ts';
import type { BenchContext } from '../context.ts';
import { ControlGroup } from '../emulation/control-group.ts';
import { mean, summarise, type Summary } from '../measure/statistics.ts';
import type { BenchModel } from '../model.ts';
import { WholeModel } from './whole-model.ts';

export interface Baseline {
  /** Cores it had; its one thread cannot use more than one. */
  readonly cores: number;
  /** What a run takes: the mean, because short runs fit into a slice of the share, and then the next ones wait. */
  readonly meanMs: number;
  readonly wallMs: Summary;
  /** Processor time of one run, mean. */
  readonly cpuMs: number;
}

/** Between repeated runs of the same engine; results that a network spreads further are compared with more patience. */
const TOLERANCE = 1e-5;
const WARM_RUNS = { minRuns: 2, minTotalMs: 0 };
/** Short runs are repeated for so long: a single one fits into what a share of a core grants at once. */
const TIMED_RUNS = { minRuns: 3, minTotalMs: 3_000 };

/**
 * What ONNX Runtime answers on the whole model. Where it differs from itself by more than the usual tolerance once it
 * optimises less, so may the mesh.
 */
export async function expectedAnswer(model: BenchModel, { signal }: BenchContext): Promise<Expected> {
  await using whole = new WholeModel(model, [], signal);
  await whole.open('mesh');
  const outputs = await whole.outputs();
  await whole.open('mesh', 'disabled');
  const { maxRel } = differenceOf(outputs, await whole.outputs());
  return { outputs, tolerance: Math.max(TOLERANCE, maxRel) };
}

/** Times the whole model, in one thread, on each of these shares of a core. Nothing else should run meanwhile. */
export async function measureBaselines(
  model: BenchModel,
  shares: readonly number[],
  { cleanUp, signal, progress }: BenchContext,
): Promise<readonly Baseline[]> {
  const group = await ControlGroup.create('baseline');
  cleanUp.defer(() => group.remove());
  await using whole = new WholeModel(model, group.prefix, signal);
  await whole.open('mesh');
  await whole.run(WARM_RUNS);
  const baselines: Baseline[] = [];
  for (const cores of shares) {
    progress(`the whole model on ${cores.toFixed(3)} cores`);
    await group.limit(cores);
    const { wallMs, cpuMs } = await whole.run(TIMED_RUNS);
    baselines.push({ cores, meanMs: mean(wallMs), wallMs: summarise(wallMs), cpuMs: mean(cpuMs) });
  }
  return baselines;
}
