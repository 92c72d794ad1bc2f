/**
 * How fast a kernel computes a 3x3 convolution directly and by minimal filtering: what the choice between the two rests on.
 * The layer is measured with an activation, as it stands in most networks, and alone, so that minimal filtering pays for
 * turning its input and its output to the layout that it works in.
 */
import { fillNormal } from '../models/zoo/random.ts';
import { difference } from '../src/core/compare.ts';
import { wholeRegion } from '../src/core/geometry/region.ts';
import { bindGraph } from '../src/core/graph/bind.ts';
import type { Graph } from '../src/core/graph/graph.ts';
import { layerName, whereItPromises, type Arithmetic } from '../src/core/graph/minimal-filtering.ts';
import { ints } from '../src/core/ops/rule.ts';
import type { FilterableLayer } from '../src/core/ops/winograd-conv.ts';
import { compileTile } from '../src/core/program/compile.ts';
import type { Tile } from '../src/core/program/program.ts';
import { elementCount, fromFloat32, type Shape, type Tensor } from '../src/core/tensor/tensor.ts';
import type { Kernel } from './kernel.ts';

export interface LayerTimes {
  /** The least of the runs of each. */
  readonly exactMs: number;
  readonly fastMs: number;
  /** Between the two, of the largest value. */
  readonly difference: number;
}

/** Gains below are lost again between neighbours, which a runtime holds in a layout of its own. */
export const LEAST_MEASURED_GAIN = 1.1;
/** What `fast` may differ from `exact`, of the largest value. */
export const LARGEST_DIFFERENCE = 1e-4;

export const verdictOf = ({ exactMs, fastMs, difference: apart }: LayerTimes): Arithmetic =>
  exactMs >= LEAST_MEASURED_GAIN * fastMs && apart <= LARGEST_DIFFERENCE ? 'fast' : 'exact';

const SEED = 1;
/** Keeps values of all layers alike. */
const deviationOf = ({ channelsIn }: FilterableLayer): number => Math.sqrt(2 / (9 * channelsIn));

function normal(shape: Shape, seed: number, deviation: number): Tensor {
  const values = new Float32Array(elementCount(shape));
  fillNormal(values, seed, 0, deviation);
  return fromFloat32(shape, values);
}

export const layerInput = ({ channelsIn, rows, columns }: FilterableLayer): Tensor =>
  normal([1, channelsIn, rows, columns], SEED, 1);

/** The convolution and an activation. */
export function layerGraph(layer: FilterableLayer): Graph {
  const { channelsIn, channelsOut, rows, columns } = layer;
  const rest = { domain: '', captures: [] };
  return {
    name: layerName(layer),
    irVersion: 8,
    opsets: { '': 13 },
    inputs: [{ name: 'x', type: 'float32', dims: [1, channelsIn, rows, columns] }],
    outputs: [{ name: 'y', type: 'float32', dims: [1, channelsOut, rows, columns] }],
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
    constants: new Map([
      ['w', normal([channelsOut, channelsIn, 3, 3], SEED + 1, deviationOf(layer))],
      ['b', normal([channelsOut], SEED + 2, 0.1)],
    ]),
    weights: new Map(),
  };
}

/** The layer in both ways, whatever the costs promise. */
export function layerTiles(layer: FilterableLayer): Readonly<Record<Arithmetic, Tile>> {
  const graph = layerGraph(layer);
  const { channelsIn, channelsOut, rows, columns } = layer;
  const inputs = new Map([['x', { type: 'float32', shape: [1, channelsIn, rows, columns] } as const]]);
  const wanted = new Map([['y', wholeRegion([1, channelsOut, rows, columns])]]);
  const tile = (arithmetic: Arithmetic): Tile => {
    const bound = bindGraph(graph, inputs, arithmetic, whereItPromises(0));
    return compileTile(bound, { first: 0, last: bound.steps.length - 1 }, wanted, `${arithmetic} ${graph.name}`);
  };
  return { exact: tile('exact'), fast: tile('fast') };
}

const MAX_RUNS = 7;
/** The first runs of a session find nothing in place. */
const WARM_UP = 1;
/** After that long no further runs begin, once there were some. */
const ENOUGH_MS = 1_000;
const MIN_RUNS = 2;

/** The two take turns. @throws MeshError KERNEL_FAILED, CANCELLED. */
export async function measureLayer(kernel: Kernel, layer: FilterableLayer, signal: AbortSignal): Promise<LayerTimes> {
  const tiles = layerTiles(layer);
  const input = layerInput(layer);
  const least = { exact: Infinity, fast: Infinity };
  const results: Partial<Record<Arithmetic, Tensor>> = {};
  const startedMs = performance.now();
  try {
    for (const { program } of Object.values(tiles)) await kernel.prepare(program, null, signal);
    for (let run = 0; run < WARM_UP + MAX_RUNS; run++) {
      if (run >= WARM_UP + MIN_RUNS && performance.now() - startedMs > ENOUGH_MS) break;
      for (const arithmetic of ['exact', 'fast'] as const) {
        const { program, parameters } = tiles[arithmetic];
        const given: [string, Tensor][] = [['x', input], ...parameters];
        const feeds = new Map(given.map(([name, tensor]) => [name, copied(tensor)]));
        const { outputs, computeMs } = await kernel.run(program.key, feeds, signal);
        results[arithmetic] = outputs.get('y')!;
        if (run >= WARM_UP) least[arithmetic] = Math.min(least[arithmetic], computeMs);
      }
    }
  } finally {
    for (const { program } of Object.values(tiles)) await kernel.release(program.key);
  }
  const { maxRel } = difference(results.exact!, results.fast!);
  return { exactMs: least.exact, fastMs: least.fast, difference: maxRel };
}

/** Kernels take the buffers of their inputs. */
const copied = (tensor: Tensor): Tensor => ({ ...tensor, bytes: tensor.bytes.slice() });
