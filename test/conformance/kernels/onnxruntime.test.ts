import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { kernelConformance } from './kernel-conformance.ts';

kernelConformance('onnxruntime', () => createOnnxRuntimeKernel());
kernelConformance('onnxruntime, two lanes of two threads', () =>
  createOnnxRuntimeKernel({ lanes: 2, threadsPerLane: 2 }),
);
