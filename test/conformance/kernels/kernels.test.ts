import { createOnnxRuntimeKernel, spawnNative } from '../../../kernels/onnxruntime/kernel.ts';
import { createWasmKernel, spawnWasm } from '../../../kernels/wasm/kernel.ts';
import { kernelConformance } from './kernel-conformance.ts';
import { laneConformance } from './lane-conformance.ts';
import { KERNELS, kernelNames } from './ports.ts';

for (const name of kernelNames) kernelConformance(name, KERNELS[name]);
kernelConformance('onnxruntime, two lanes of two threads', () =>
  createOnnxRuntimeKernel({ lanes: 2, threadsPerLane: 2 }),
);
kernelConformance('wasm, two lanes', () => createWasmKernel({ lanes: 2 }));

laneConformance('onnxruntime', createOnnxRuntimeKernel, spawnNative);
laneConformance('wasm', createWasmKernel, spawnWasm);
