/** What `fidelity` is asked and what it finds. */
import type { Load, Machine } from '../measure/machine.ts';
import type { Summary } from '../measure/statistics.ts';
import type { SubjectOptions } from '../subject.ts';

export interface FidelityOptions extends SubjectOptions {
  /** Sizes of meshes. */
  readonly peers: readonly number[];
  /** Share of a core of each board. */
  readonly cpu: number;
  /** Megabits a second, each way. */
  readonly link: number;
  /** Timed for each size. */
  readonly requests: number;
  /** File to draw to. */
  readonly svg?: string;
}

export interface Agreement {
  readonly peers: number;
  readonly measuredMs: Summary;
  readonly simulatedMs: number;
  readonly predictedMs: number;
  /** Simulated by measured, less one. */
  readonly error: number;
  readonly load: Load;
}

export interface FidelityResult {
  readonly schema: 'tilemesh.bench.fidelity/1';
  readonly machine: Machine;
  readonly setting: FidelityOptions & { readonly macsPerCoreSecond: number };
  /** ONNX Runtime on the whole model, on one board without a mesh: mean of its runs. */
  readonly wholeMs: number;
  readonly sizes: readonly Agreement[];
  readonly largestError: number;
}
