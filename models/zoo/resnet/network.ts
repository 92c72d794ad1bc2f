/**
 * ResNet-18 and ResNet-50. K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016,
 * table 1, with the stride of a bottleneck in its 3x3 convolution, as trained weights have it. Parameters without the
 * statistics of normalisation: 11.7 M and 25.6 M; 1.8 and 4.1 GMAC.
 */
import type { Graph } from '../../../src/core/graph/graph.ts';
import { graphBuilder, type ConvolutionLayer, type GraphBuilder } from '../graph-builder.ts';
import { heNormal, type Initial } from '../seeded.ts';

/** Blocks in each of the four stages, and convolutions in a block. */
const NETWORKS = {
  resnet18: { stages: [2, 2, 2, 2], block: basicBlock, expansion: 1 },
  resnet50: { stages: [3, 4, 6, 3], block: bottleneck, expansion: 4 },
} as const;

const FIRST_CHANNELS = 64;

/** Input `image` [batch, 3, 224, 224], output `probabilities` [batch, 1000]. */
export function resnetGraph(name: keyof typeof NETWORKS): Graph {
  const { stages, block, expansion } = NETWORKS[name];
  const net = graphBuilder(name, { name: 'image', dims: [3, 224, 224] });
  normalised(net, 'conv1', { outputs: FIRST_CHANNELS, kernel: 7, stride: 2, padding: 3 });
  net.relu('relu1');
  net.maxPool('pool1', { kernel: 3, stride: 2, padding: 1 });
  for (const [stage, depth] of stages.entries()) {
    const channels = FIRST_CHANNELS * 2 ** stage;
    for (let index = 0; index < depth; index++) {
      const layer = `stage${stage + 1}_${index + 1}`;
      const stride = index === 0 && stage > 0 ? 2 : 1;
      const input = net.value();
      if (input.shape[0] !== channels * expansion || stride > 1) {
        normalised(net, `${layer}_shortcut`, { outputs: channels * expansion, kernel: 1, stride });
      }
      const shortcut = net.value();
      net.from(input);
      block(net, layer, channels, stride);
      net.add(`${layer}_sum`, shortcut);
      net.relu(layer);
    }
  }
  net.globalAveragePool('pool');
  net.flatten('flat');
  net.dense('fc', 1000);
  net.softmax('probabilities');
  return net.build();
}

function normalised(net: GraphBuilder, layer: string, convolution: ConvolutionLayer): void {
  net.convolution(`${layer}_conv`, { ...convolution, hasBias: false });
  net.batchNormalisation(layer);
}

function basicBlock(net: GraphBuilder, layer: string, channels: number, stride: number): void {
  normalised(net, `${layer}_a`, { outputs: channels, kernel: 3, stride, padding: 1 });
  net.relu(`${layer}_a_relu`);
  normalised(net, `${layer}_last`, { outputs: channels, kernel: 3, padding: 1 });
}

function bottleneck(net: GraphBuilder, layer: string, channels: number, stride: number): void {
  normalised(net, `${layer}_a`, { outputs: channels, kernel: 1 });
  net.relu(`${layer}_a_relu`);
  normalised(net, `${layer}_b`, { outputs: channels, kernel: 3, stride, padding: 1 });
  net.relu(`${layer}_b_relu`);
  normalised(net, `${layer}_last`, { outputs: 4 * channels, kernel: 1 });
}

/** As usual, but branches begin small: otherwise every sum would double what it adds to. */
export const smallBranches: Initial = (name, shape) => {
  const { mean, deviation } = heNormal(name, shape);
  return name.endsWith('_last.scale') ? { mean: mean / 4, deviation } : { mean, deviation };
};
