/**
 * The kernel for machines on which the native one does not load: ONNX Runtime in WebAssembly, in a pool of lanes of one
 * thread each. Weights are copied from the weight file into the memory of each lane. What is released is used again by the
 * lane; it goes back to the machine when the kernel is closed, since the memory of WebAssembly cannot shrink.
 */
import type { Kernel } from '../kernel.ts';
import { workerBeside, type SpawnWorker } from '../lanes/lane.ts';
import { processBeside } from '../lanes/process.ts';
import { LanePool, type PoolOptions } from '../lanes/pool.ts';

/** Each lane has a memory of its own, which WebAssembly addresses with 32 bits. */
const MEMORY_BYTES = 2 ** 32;

export type WasmOptions = Omit<PoolOptions, 'threadsPerLane'>;

export const spawnWasm: SpawnWorker = workerBeside(import.meta.url);
/** In processes of their own. */
export const spawnWasmProcess: SpawnWorker = processBeside(import.meta.url);

/** @param spawn starts the thread of a lane, or the process. */
export const createWasmKernel = (options: Partial<WasmOptions> = {}, spawn: SpawnWorker = spawnWasm): Kernel =>
  new LanePool({ name: 'wasm', spawn, weightAccess: 'held', memoryBytes: MEMORY_BYTES }, options);
