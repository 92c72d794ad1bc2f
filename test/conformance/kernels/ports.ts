/** Every kernel there is, for the suites that all of them have to pass. */
import type { Kernel } from '../../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { createReferenceKernel } from '../../../kernels/reference/kernel.ts';
import { createWasmKernel } from '../../../kernels/wasm/kernel.ts';

export type KernelName = 'onnxruntime' | 'wasm' | 'reference';

type OpenKernel = (options?: { readonly lanes: number }) => Kernel;

export const KERNELS: Readonly<Record<KernelName, OpenKernel>> = {
  onnxruntime: createOnnxRuntimeKernel,
  wasm: createWasmKernel,
  reference: createReferenceKernel,
};

export const kernelNames = Object.keys(KERNELS) as KernelName[];
