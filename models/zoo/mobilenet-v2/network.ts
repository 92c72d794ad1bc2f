/**
 * MobileNetV2. M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: inverted residuals and linear
 * bottlenecks", CVPR 2018, table 2, width 1. 3.5 M parameters without the statistics of normalisation, 0.3 GMAC.
 */
import type { Graph } from '../../../src/core/graph/graph.ts';
import { graphBuilder, type ConvolutionLayer, type GraphBuilder } from '../graph-builder.ts';

/** Rows of the table: expansion, output channels, repetitions, stride of the first. */
const BOTTLENECKS = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** Input `image` [batch, 3, 224, 224], output `probabilities` [batch, 1000]. */
export function mobilenetV2Graph(): Graph {
  const net = graphBuilder('mobilenet-v2', { name: 'image', dims: [3, 224, 224] });
  clipped(net, 'first', { outputs: 32, kernel: 3, stride: 2, padding: 1 });
  for (const [row, [expansion, outputs, repetitions, stride]] of BOTTLENECKS.entries()) {
    for (let index = 0; index < repetitions; index++) {
      bottleneck(net, `block${row + 1}_${index + 1}`, { expansion, outputs, stride: index === 0 ? stride : 1 });
    }
  }
  clipped(net, 'last', { outputs: 1280, kernel: 1 });
  net.globalAveragePool('pool');
  net.flatten('flat');
  net.dense('fc', 1000);
  net.softmax('probabilities');
  return net.build();
}

function bottleneck(
  net: GraphBuilder,
  layer: string,
  { expansion, outputs, stride }: { readonly expansion: number; readonly outputs: number; readonly stride: number },
): void {
  const input = net.value();
  const inputs = Number(input.shape[0]);
  const expanded = inputs * expansion;
  if (expansion > 1) clipped(net, `${layer}_expand`, { outputs: expanded, kernel: 1 });
  clipped(net, `${layer}_depthwise`, { outputs: expanded, kernel: 3, stride, padding: 1, groups: expanded });
  normalised(net, `${layer}_project`, { outputs, kernel: 1 });
  if (stride === 1 && inputs === outputs) net.add(layer, input);
}

function normalised(net: GraphBuilder, layer: string, convolution: ConvolutionLayer): void {
  net.convolution(`${layer}_conv`, { ...convolution, hasBias: false });
  net.batchNormalisation(layer);
}

function clipped(net: GraphBuilder, layer: string, convolution: ConvolutionLayer): void {
  normalised(net, layer, convolution);
  net.relu6(`${layer}_relu`);
}
