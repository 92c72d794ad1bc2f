/**
 * Tiny YOLOv2, a detector for the 20 classes of Pascal VOC. J. Redmon, A. Farhadi, "YOLO9000: better, faster, stronger",
 * CVPR 2017, in the authors' small version (`tiny-yolo-voc`): each cell of a 13x13 grid tells of five boxes. 15.9 M
 * parameters with the statistics of normalisation, 3.5 GMAC.
 */
import type { Graph } from '../../../src/core/graph/graph.ts';
import { graphBuilder } from '../graph-builder.ts';

const CHANNELS = [16, 32, 64, 128, 256, 512] as const;
const WIDE = 1024;
const SLOPE = 0.1;

/** Five boxes of four coordinates, an objectness and 20 classes each. */
export const GRID_CHANNELS = 5 * (4 + 1 + 20);

/** Input `image` [batch, 3, 416, 416] from 0 to 1, output `grid` [batch, 125, 13, 13]. */
export function tinyYoloV2Graph(): Graph {
  const net = graphBuilder('tiny-yolo-v2', { name: 'image', dims: [3, 416, 416] });
  const block = (number: number, outputs: number): void => {
    net.convolution(`conv${number}_conv`, { outputs, kernel: 3, padding: 1, hasBias: false });
    net.batchNormalisation(`conv${number}`);
    net.leakyRelu(`relu${number}`, SLOPE);
  };
  for (const [index, outputs] of CHANNELS.entries()) {
    const number = index + 1;
    block(number, outputs);
    const isLast = number === CHANNELS.length;
    net.maxPool(
      `pool${number}`,
      isLast ? { kernel: 2, stride: 1, padding: { before: 0, after: 1 } } : { kernel: 2, stride: 2 },
    );
  }
  block(7, WIDE);
  block(8, WIDE);
  net.convolution('grid', { outputs: GRID_CHANNELS, kernel: 1 });
  return net.build();
}
