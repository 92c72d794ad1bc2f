/**
 * VGG-16 and VGG-19. K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition",
 * ICLR 2015, table 1, columns D and E: five blocks of 3x3 convolutions, each followed by 2x2 max pooling, and three
 * fully connected layers. VGG-16: 138 M parameters, 15.5 GMAC; VGG-19: 144 M, 19.6 GMAC.
 */
import type { Graph } from '../../../src/core/graph/graph.ts';
import { graphBuilder } from '../graph-builder.ts';

const BLOCK_CHANNELS = [64, 128, 256, 512, 512] as const;

/** Convolutions in each of the five blocks. */
const BLOCK_DEPTHS = { vgg16: [2, 2, 3, 3, 3], vgg19: [2, 2, 4, 4, 4] } as const;

/** Input `image` [batch, 3, 224, 224], output `probabilities` [batch, 1000]. */
export function vggGraph(name: keyof typeof BLOCK_DEPTHS): Graph {
  const net = graphBuilder(name, { name: 'image', dims: [3, 224, 224] });
  for (const [index, outputs] of BLOCK_CHANNELS.entries()) {
    const block = index + 1;
    for (let layer = 1; layer <= BLOCK_DEPTHS[name][index]!; layer++) {
      net.convolution(`conv${block}_${layer}`, { outputs, kernel: 3, padding: 1 });
      net.relu(`relu${block}_${layer}`);
    }
    net.maxPool(`pool${block}`, { kernel: 2, stride: 2 });
  }
  net.flatten('flat');
  net.dense('fc6', 4096);
  net.relu('relu6');
  net.dense('fc7', 4096);
  net.relu('relu7');
  net.dense('fc8', 1000);
  net.softmax('probabilities');
  return net.build();
}
