/**
 * The native kernel: ONNX Runtime in a pool of lanes, so that `lanes * threadsPerLane` cores are kept busy. Weights are
 * mapped from the weight file and shared between lanes by the operating system, but for those of convolutions, which the
 * runtime reorders into memory of each lane.
 */
import type { Kernel } from '../kernel.ts';
import { workerBeside, type SpawnWorker } from '../lanes/lane.ts';
import { processBeside } from '../lanes/process.ts';
import { LanePool, type PoolOptions } from '../lanes/pool.ts';

export const spawnNative: SpawnWorker = workerBeside(import.meta.url);
/** In processes of their own. */
export const spawnNativeProcess: SpawnWorker = processBeside(import.meta.url);

/** @param spawn starts the thread of a lane, or the process. */
export function createOnnxRuntimeKernel(options: Partial<PoolOptions> = {}, spawn: SpawnWorker = spawnNative): Kernel {
  // Read when the library is loaded. Without it ONNX Runtime 1.30 keeps a number of this machine in the home folder, and events
  // for a service of its makers.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  return new LanePool({ name: 'onnxruntime', spawn, weightAccess: 'mapped', memoryBytes: Infinity }, options);
}
