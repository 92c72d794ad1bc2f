/**
 * SqueezeNet 1.1. F. N. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5 MB model
 * size", 2016, in the authors' version 1.1: 3x3 kernels and earlier pooling. 1.2 M parameters, 0.35 GMAC.
 */
import type { Graph } from '../../../src/core/graph/graph.ts';
import { graphBuilder, type GraphBuilder } from '../graph-builder.ts';

/** Squeezed channels of the fire modules 2 to 9; each expands to four times as many 1x1 and 3x3 channels. */
const SQUEEZED = [16, 16, 32, 32, 48, 48, 64, 64] as const;
const FIRST_FIRE = 2;
const POOLED_AFTER: readonly number[] = [3, 5];
const POOL = { kernel: 3, stride: 2 } as const;

/** Input `image` [batch, 3, 224, 224], output `probabilities` [batch, 1000]. */
export function squeezenetGraph(): Graph {
  const net = graphBuilder('squeezenet', { name: 'image', dims: [3, 224, 224] });
  net.convolution('conv1', { outputs: 64, kernel: 3, stride: 2 });
  net.relu('relu1');
  net.maxPool('pool1', POOL);
  for (const [index, squeezed] of SQUEEZED.entries()) {
    const number = index + FIRST_FIRE;
    fire(net, `fire${number}`, squeezed);
    if (POOLED_AFTER.includes(number)) net.maxPool(`pool${number}`, POOL);
  }
  net.convolution('conv10', { outputs: 1000, kernel: 1 });
  net.relu('relu10');
  net.globalAveragePool('pool10');
  net.flatten('flat');
  net.softmax('probabilities');
  return net.build();
}

function fire(net: GraphBuilder, layer: string, squeezed: number): void {
  net.convolution(`${layer}_squeeze`, { outputs: squeezed, kernel: 1 });
  net.relu(`${layer}_squeeze_relu`);
  const input = net.value();
  const expanded = [1, 3].map((kernel) => {
    net.from(input);
    net.convolution(`${layer}_expand${kernel}`, { outputs: 4 * squeezed, kernel, padding: (kernel - 1) / 2 });
    net.relu(`${layer}_expand${kernel}_relu`);
    return net.value();
  });
  net.concat(layer, expanded);
}
