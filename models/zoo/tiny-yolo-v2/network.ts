/**
 * Tiny YOLOv2, a detector for the 20 classes of Pascal VOC. J. Redmon, A. Farhadi, "YOLO9000: better, faster, stronger",
 * CVPR 2017, in the authors' small version (`tiny-yolo-voc`): each cell of a 13x13 grid tells of five boxes. 15.9 M
 * parameters with the statistics of normalisation, 3.5 GMAC.
 */
import type { Graph } from '../../../src/core/graph/graph.ts';
import type { ObjectDetectionTask } from '../../tasks/task.ts';
import { graphBuilder } from '../graph-builder.ts';

const CHANNELS = [16, 32, 64, 128, 256, 512] as const;
const WIDE = 1024;
const SLOPE = 0.1;

const SIDE = 416;

/** Classes and anchors of the authors' configuration. */
export const TINY_YOLO_V2_TASK: ObjectDetectionTask = {
  kind: 'object-detection',
  input: 'image',
  output: 'grid',
  image: {
    size: { kind: 'fixed', height: SIDE, width: SIDE },
    channels: 3,
    order: 'rgb',
    layout: 'chw',
    scale: 1 / 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    fit: 'contain',
    background: 128,
    invert: 'never',
  },
  labels: [
    ...['aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow', 'diningtable', 'dog'],
    ...['horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor'],
  ],
  anchors: [
    [1.08, 1.19],
    [3.42, 4.41],
    [6.63, 11.38],
    [9.42, 5.11],
    [16.62, 10.52],
  ],
  scoreThreshold: 0.3,
  overlapThreshold: 0.45,
};

/** For each anchor four coordinates, an objectness and the classes. */
const GRID_CHANNELS = TINY_YOLO_V2_TASK.anchors.length * (4 + 1 + TINY_YOLO_V2_TASK.labels.length);

/** Input `image` [batch, 3, 416, 416] from 0 to 1, output `grid` [batch, 125, 13, 13]. */
export function tinyYoloV2Graph(): Graph {
  const net = graphBuilder('tiny-yolo-v2', { name: 'image', dims: [3, SIDE, SIDE] });
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
