/** How fast a kernel is on this machine: what planning needs to weigh one peer against another. */
import type { Graph } from '../src/core/graph/graph.ts';
import { bindGraph } from '../src/core/graph/bind.ts';
import { wholeRegion } from '../src/core/geometry/region.ts';
import { compileTile } from '../src/core/program/compile.ts';
import { fromFloat32, elementCount, type Shape, type Tensor } from '../src/core/tensor/tensor.ts';
import type { Kernel } from './kernel.ts';

const CHANNELS = 64;
const SIDE = 56;
const INPUT: Shape = [1, CHANNELS, SIDE, SIDE];
const WEIGHT: Shape = [CHANNELS, CHANNELS, 3, 3];
/** The fastest of so many runs: anything slower was disturbed. */
const RUNS = 5;

const wave = (shape: Shape): Tensor =>
  fromFloat32(
    shape,
    Float32Array.from({ length: elementCount(shape) }, (_, index) => Math.sin(index)),
  );

/** A 3x3 convolution of the middle of VGG: 116 million multiply-accumulates. */
const graph: Graph = {
  name: 'speed',
  irVersion: 8,
  opsets: { '': 13 },
  inputs: [{ name: 'x', type: 'float32', dims: [...INPUT] }],
  outputs: [{ name: 'y', type: 'float32', dims: [...INPUT] }],
  nodes: [
    {
      name: 'conv',
      op: 'Conv',
      domain: '',
      inputs: ['x', 'w'],
      outputs: ['y'],
      attributes: { pads: { kind: 'ints', value: [1, 1, 1, 1] } },
      captures: [],
    },
  ],
  constants: new Map([['w', wave(WEIGHT)]]),
  weights: new Map(),
};

/** Multiply-accumulates per second. @throws MeshError KERNEL_FAILED, CANCELLED. */
export async function measureSpeed(kernel: Kernel, signal: AbortSignal): Promise<number> {
  const bound = bindGraph(graph, new Map([['x', { type: 'float32', shape: INPUT }]]));
  const tile = compileTile(bound, { first: 0, last: 0 }, new Map([['y', wholeRegion(INPUT)]]), 'speed');
  await kernel.prepare(tile.program, null, signal);
  let bestMs = Infinity;
  for (let run = 0; run < RUNS; run++) {
    const { computeMs } = await kernel.run(tile.program.key, new Map([['x', wave(INPUT)]]), signal);
    bestMs = Math.min(bestMs, computeMs);
  }
  await kernel.release(tile.program.key);
  return tile.macs / (bestMs / 1000);
}
