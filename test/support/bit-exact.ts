/**
 * How near a cut network has to come to the whole one. Native ONNX Runtime computes the same bits on x64, however a network is cut;
 * its kernels for other processors sum thin tiles in another order.
 */
export const isBitExact = process.arch === 'x64';

/** Of the largest value. */
export const CUT_TOLERANCE = isBitExact ? 0 : 1e-5;
