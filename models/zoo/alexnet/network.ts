/**
 * AlexNet. A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep convolutional neural networks",
 * NIPS 2012, section 3: two groups in the second, fourth and fifth convolution (the paper's two GPUs), overlapping
 * pooling, local response normalisation with k = 2, n = 5, alpha = 1e-4, beta = 0.75. The input is 227x227, with which
 * the paper's sizes come out. 61 M parameters, 0.7 GMAC.
 */
import type { Graph } from '../../../src/core/graph/graph.ts';
import { graphBuilder } from '../graph-builder.ts';

/** The paper's alpha is not divided by the number of channels summed, the one of ONNX is. */
const NORMALISATION = { size: 5, alpha: 5 * 1e-4, beta: 0.75, bias: 2 } as const;
const POOL = { kernel: 3, stride: 2 } as const;

/** Input `image` [batch, 3, 227, 227], output `probabilities` [batch, 1000]. */
export function alexnetGraph(): Graph {
  const net = graphBuilder('alexnet', { name: 'image', dims: [3, 227, 227] });
  net.convolution('conv1', { outputs: 96, kernel: 11, stride: 4 });
  net.relu('relu1');
  net.responseNormalisation('norm1', NORMALISATION);
  net.maxPool('pool1', POOL);
  net.convolution('conv2', { outputs: 256, kernel: 5, padding: 2, groups: 2 });
  net.relu('relu2');
  net.responseNormalisation('norm2', NORMALISATION);
  net.maxPool('pool2', POOL);
  net.convolution('conv3', { outputs: 384, kernel: 3, padding: 1 });
  net.relu('relu3');
  net.convolution('conv4', { outputs: 384, kernel: 3, padding: 1, groups: 2 });
  net.relu('relu4');
  net.convolution('conv5', { outputs: 256, kernel: 3, padding: 1, groups: 2 });
  net.relu('relu5');
  net.maxPool('pool5', POOL);
  net.flatten('flat');
  net.dense('fc6', 4096);
  net.relu('relu6');
  net.dense('fc7', 4096);
  net.relu('relu7');
  net.dense('fc8', 1000);
  net.softmax('probabilities');
  return net.build();
}
