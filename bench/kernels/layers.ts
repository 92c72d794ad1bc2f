/** The layers that kernels are compared on: 3x3 convolutions of VGG-16, ResNet, YOLO and AlexNet, each once. */
import type { FilterableLayer } from '../../src/core/ops/winograd-conv.ts';

const layer = (channelsIn: number, channelsOut: number, extent: number): FilterableLayer => ({
  channelsIn,
  channelsOut,
  rows: extent,
  columns: extent,
});

export const LAYERS: readonly FilterableLayer[] = [
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
