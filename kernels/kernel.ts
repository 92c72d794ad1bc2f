/**
 * The kernel port: whatever executes programs. Implementations: `onnxruntime/` (native), `wasm/` (the same runtime in
 * WebAssembly), `reference/` (plain loops, the oracle of the tests); `open.ts` chooses one. They never see a network, a plan
 * or a tile: a program, its feeds, its outputs.
 */
import type { Program } from '../src/core/program/program.ts';
import type { Tensor } from '../src/core/tensor/tensor.ts';

/** Where a model's weight blob lies on this machine. */
export interface WeightFile {
  /**
   * Absolute path of a file that holds at least the ranges the program's slices name. Kernels may map it into memory: it
   * must not be cut short while a program prepared from it is in use (deleting or replacing it does no harm).
   */
  readonly path: string;
}

export interface KernelRun {
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Time spent executing, without queueing, in milliseconds. */
  readonly computeMs: number;
  /** Which of the threads ran it, counted from 0; absent where there is one. */
  readonly lane?: number;
}

export interface Kernel {
  /** `onnxruntime`, `wasm`, `reference`: shown to people. */
  readonly name: string;
  /** What programs and their runs may take together; infinite where the machine alone sets the limit. */
  readonly memoryBytes: number;

  /**
   * Makes a program ready to run. Preparing the same key again is free.
   * @throws MeshError INVALID_MODEL when the program cannot be executed, STORAGE_FAILED when the weight file lacks what
   *   the program needs, KERNEL_FAILED, CANCELLED.
   */
  prepare(program: Program, weights: WeightFile | null, signal: AbortSignal): Promise<void>;

  /**
   * Runs a prepared program. `inputs` holds every feed and parameter by name; their buffers may be taken over
   * (transferred): callers must not touch them again.
   * @throws MeshError KERNEL_FAILED, OVERLOADED when too many runs are waiting already, CANCELLED.
   */
  run(key: string, inputs: ReadonlyMap<string, Tensor>, signal: AbortSignal): Promise<KernelRun>;

  /** Forgets a program and what it holds. Unknown keys are ignored. */
  release(key: string): Promise<void>;

  close(): Promise<void>;
}
