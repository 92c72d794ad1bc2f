/**
 * The kernel for machines on which the native one does not load: ONNX Runtime in WebAssembly, in a pool of lanes of one
 * thread each. Weights are copied from the weight file into the memory of each lane.
 */
import type { Kernel } from '../kernel.ts';
import { workerBeside, type SpawnWorker } from '../lanes/lane.ts';
import { LanePool, type PoolOptions } from '../lanes/pool.ts';

export type WasmOptions = Omit<PoolOptions, 'threadsPerLane'>;

export const spawnWasm: SpawnWorker = workerBeside(import.meta.url);

/** @param spawn starts the thread of a lane; given by tests only. */
export const createWasmKernel = (options: Partial<WasmOptions> = {}, spawn: SpawnWorker = spawnWasm): Kernel =>
  new LanePool({ name: 'wasm', spawn, weightAccess: 'held' }, options);
