/**
 * LeNet-5 as an ONNX graph. Shapes of Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
 * document recognition", Proc. IEEE 86(11), 1998, on 28x28 digits padded by 2 (the paper's 32x32): C1 6@5x5, S2, C3
 * 16@5x5, S4, C5 120, F6 84, 10. As in most later copies, C3 sees all six maps, subsampling takes the maximum, and units
 * are rectifiers with a softmax at the end.
 */
import type { Graph } from '../../../src/core/graph/graph.ts';
import { graphBuilder } from '../graph-builder.ts';

/** Input `image` [batch, 1, 28, 28], output `probabilities` [batch, 10]. */
export function lenet5Graph(): Graph {
  const net = graphBuilder('lenet5', { name: 'image', dims: [1, 28, 28] });
  net.convolution('c1', { outputs: 6, kernel: 5, padding: 2 });
  net.relu('c1_relu');
  net.maxPool('s2', { kernel: 2, stride: 2 });
  net.convolution('c3', { outputs: 16, kernel: 5 });
  net.relu('c3_relu');
  net.maxPool('s4', { kernel: 2, stride: 2 });
  net.flatten('flat');
  net.dense('c5', 120);
  net.relu('c5_relu');
  net.dense('f6', 84);
  net.relu('f6_relu');
  net.dense('output', 10);
  net.softmax('probabilities');
  return net.build();
}
