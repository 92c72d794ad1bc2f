import { createReferenceKernel } from '../../../kernels/reference/kernel.ts';
import { kernelConformance } from './kernel-conformance.ts';

kernelConformance('reference', createReferenceKernel);
