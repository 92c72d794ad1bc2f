/** Which kernel a machine runs: the native one, or WebAssembly where that does not load. */
import { MeshError, toMeshError } from '../src/core/errors.ts';
import type { Node } from '../src/core/graph/graph.ts';
import type { Program } from '../src/core/program/program.ts';
import type { Kernel } from './kernel.ts';
import { createOnnxRuntimeKernel, spawnNative, spawnNativeProcess } from './onnxruntime/kernel.ts';
import { createReferenceKernel } from './reference/kernel.ts';
import { createWasmKernel, spawnWasm, spawnWasmProcess } from './wasm/kernel.ts';

export interface KernelRequest {
  /** `auto`: `onnxruntime` where it loads, else `wasm`. */
  readonly name: 'auto' | 'onnxruntime' | 'wasm' | 'reference';
  readonly lanes: number;
  /** For `onnxruntime`; the other kernels compute in one thread for each lane. */
  readonly threadsPerLane: number;
  /** Whether lanes are threads of the peer, as when absent, or processes, but for `reference`. */
  readonly isolation?: 'thread' | 'process';
}

type KernelName = Exclude<KernelRequest['name'], 'auto'>;

const CREATE: Readonly<Record<KernelName, (request: KernelRequest) => Kernel>> = {
  onnxruntime: (request) =>
    createOnnxRuntimeKernel(request, request.isolation === 'process' ? spawnNativeProcess : spawnNative),
  wasm: (request) => createWasmKernel(request, request.isolation === 'process' ? spawnWasmProcess : spawnWasm),
  reference: createReferenceKernel,
};

const NEEDS: Readonly<Record<KernelName, string>> = {
  onnxruntime:
    'install the package onnxruntime-node again; it has binaries for Linux with glibc 2.28 or newer and for Windows, on x64 and arm64, and for macOS on arm64',
  wasm: 'install the package onnxruntime-web again',
  reference: 'install tilemesh again',
};

/** Loading and compiling a runtime takes seconds on a small board. */
const START_TIMEOUT_MS = 60_000;

const identity: Node = {
  name: 'identity',
  op: 'Identity',
  domain: '',
  inputs: ['x'],
  outputs: ['y'],
  attributes: {},
  captures: [],
};

/** The least that a kernel which works can prepare. */
const PROBE: Program = {
  key: 'probe',
  irVersion: 8,
  opsets: { '': 13 },
  nodes: [identity],
  feeds: [{ name: 'x', type: 'float32', rank: 1 }],
  parameters: [],
  outputs: [{ name: 'y', type: 'float32' }],
  constants: new Map(),
  weights: new Map(),
};

/**
 * A kernel that has been seen to work on this machine.
 * @param onFallback is told, in one line, why `auto` does not take the native kernel and what to do about it.
 * @throws MeshError INVALID_CONFIG when the kernel asked for does not start here, with the reason and what to do.
 */
export async function openKernel(request: KernelRequest, onFallback: (message: string) => void): Promise<Kernel> {
  if (request.name !== 'auto') {
    const advice = request.name === 'onnxruntime' ? ', or set kernel.name to auto to compute in WebAssembly' : '';
    return openNamed(request.name, request, advice);
  }
  try {
    return await openNamed('onnxruntime', request, '');
  } catch (error) {
    onFallback(
      `computing in WebAssembly, several times slower: ${toMeshError(error).message}, or set kernel.name to wasm`,
    );
    return openNamed('wasm', request, '');
  }
}

async function openNamed(name: KernelName, request: KernelRequest, advice: string): Promise<Kernel> {
  const kernel = CREATE[name](request);
  try {
    await kernel.prepare(PROBE, null, AbortSignal.timeout(START_TIMEOUT_MS));
    await kernel.release(PROBE.key);
    return kernel;
  } catch (cause) {
    await kernel.close();
    throw new MeshError(
      'INVALID_CONFIG',
      `kernel ${name} does not start on this machine (${reasonOf(cause)}): ${NEEDS[name]}${advice}`,
      { cause },
    );
  }
}

/** The first line of what a thread died of, or of what the kernel says. */
function reasonOf(error: unknown): string {
  const origin = error instanceof MeshError && error.cause instanceof Error ? error.cause : error;
  const text = origin instanceof Error ? origin.message : String(origin);
  return text.split('\n', 1)[0]!;
}
