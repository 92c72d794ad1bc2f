/** The layers that kernels are compared on: 3x3 convolutions of VGG-16, ResNet, YOLO and AlexNet, each once. */
import type { Graph } from '../../src/core/graph/graph.ts';
import { ints } from '../../src/core/ops/rule.ts';
import { elementCount, fromFloat32, type Shape, type Tensor } from '../../src/core/tensor/tensor.ts';
import { fillNormal } from '../../models/zoo/random.ts';

export interface Layer {
  readonly channelsIn: number;
  readonly channelsOut: number;
  /** Rows and columns of the map. */
  readonly extent: number;
}

const layer = (channelsIn: number, channelsOut: number, extent: number): Layer => ({ channelsIn, channelsOut, extent });

export const LAYERS: readonly Layer[] = [
  layer(64, 64, 224),
  layer(64, 128, 112),
  layer(128, 128, 112),
  layer(128, 256, 56),
  layer(256, 256, 56),
  layer(256, 512, 28),
  layer(512, 512, 28),
  layer(512, 512, 14),
  layer(64, 64, 56),
  layer(128, 128, 28),
  layer(256, 256, 14),
  layer(512, 512, 7),
  layer(192, 384, 13),
  layer(1024, 1024, 13),
];

const SEED = 1;
/** Keeps values of all layers alike. */
const scaleOf = ({ channelsIn }: Layer): number => Math.sqrt(2 / (9 * channelsIn));

function normal(shape: Shape, seed: number, deviation: number): Tensor {
  const values = new Float32Array(elementCount(shape));
  fillNormal(values, seed, 0, deviation);
  return fromFloat32(shape, values);
}

export const inputOf = ({ channelsIn, extent }: Layer): Tensor => normal([1, channelsIn, extent, extent], SEED, 1);

/** The convolution and an activation, as they stand in a network. */
export function graphOf(given: Layer): Graph {
  const { channelsIn, channelsOut, extent } = given;
  const dims = (channels: number): Shape => [1, channels, extent, extent];
  const constants = new Map([
    ['w', normal([channelsOut, channelsIn, 3, 3], SEED + 1, scaleOf(given))],
    ['b', normal([channelsOut], SEED + 2, 0.1)],
  ]);
  const rest = { domain: '', captures: [] };
  return {
    name: `conv ${channelsIn} to ${channelsOut} at ${extent}`,
    irVersion: 8,
    opsets: { '': 13 },
    inputs: [{ name: 'x', type: 'float32', dims: dims(channelsIn) }],
    outputs: [{ name: 'y', type: 'float32', dims: dims(channelsOut) }],
    nodes: [
      {
        ...rest,
        name: 'c',
        op: 'Conv',
        inputs: ['x', 'w', 'b'],
        outputs: ['c'],
        attributes: { pads: ints(1, 1, 1, 1) },
      },
      { ...rest, name: 'y', op: 'Relu', inputs: ['c'], outputs: ['y'], attributes: {} },
    ],
    constants,
    weights: new Map(),
  };
}
