/**
 * How fast a kernel computes a 3x3 convolution directly and by minimal filtering: what the choice between the two rests on.
 * The layer is measured with an activation, as it stands in most networks: alone; and, where minimal filtering gains by that,
 * between two cheap convolutions. These hold maps in whatever layout the runtime prefers, from which minimal filtering has to
 * turn them and back, and a direct convolution does not.
 */
import { fillNormal } from '../models/zoo/random.ts';
import { difference } from '../src/core/compare.ts';
import { wholeRegion } from '../src/core/geometry/region.ts';
import { bindGraph } from '../src/core/graph/bind.ts';
import type { Graph, Node } from '../src/core/graph/graph.ts';
import { layerName, whereItPromises, type Arithmetic, type Verdict } from '../src/core/graph/minimal-filtering.ts';
import { int, ints } from '../src/core/ops/rule.ts';
import type { FilterableLayer } from '../src/core/ops/winograd-conv.ts';
import { compileTile } from '../src/core/program/compile.ts';
import type { Tile } from '../src/core/program/program.ts';
import { elementCount, fromFloat32, type Shape, type Tensor } from '../src/core/tensor/tensor.ts';
import type { Kernel } from './kernel.ts';

/** The least of the runs of each. */
export type Times = Readonly<Record<Arithmetic, number>>;

export interface LayerTimes {
  readonly aloneMs: Times;
  /** Absent where nothing is gained alone. */
  readonly betweenMs?: Times;
  /** Between the two, of the largest value. */
  readonly difference: number;
}

/** Less is not worth four times the memory, and soon within what measurements differ by. */
const LEAST_MEASURED_GAIN = 1.2;
/** Time saved between others, of what the layer takes directly, for the same reasons. */
const LEAST_SAVED_SHARE = 0.15;
/** What `fast` may differ from `exact`, of the largest value. */
const LARGEST_DIFFERENCE = 1e-4;

export const gains = ({ exact, fast }: Times): boolean => exact >= LEAST_MEASURED_GAIN * fast;

export function verdictOf({ aloneMs, betweenMs, difference: apart }: LayerTimes): Verdict {
  if (!gains(aloneMs) || apart > LARGEST_DIFFERENCE) return 'exact';
  if (betweenMs === undefined) return 'chained';
  return betweenMs.exact - betweenMs.fast >= LEAST_SAVED_SHARE * aloneMs.exact ? 'fast' : 'chained';
}

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

export type Surroundings = 'alone' | 'between';

/** The convolution and an activation, and what they stand between. */
function layerGraph(layer: FilterableLayer, surroundings: Surroundings): Graph {
  const { channelsIn, channelsOut, rows, columns } = layer;
  const rest = { domain: '', captures: [] };
  const each = (name: string, input: string, output: string, channels: number): Node => ({
    ...rest,
    name,
    op: 'Conv',
    inputs: [input, `${name}::w`],
    outputs: [output],
    attributes: { group: int(channels) },
  });
  const isBetween = surroundings === 'between';
  const [input, output] = isBetween ? ['before', 'after'] : ['x', 'y'];
  return {
    name: `${layerName(layer)} ${surroundings}`,
    irVersion: 8,
    opsets: { '': 13 },
    inputs: [{ name: 'x', type: 'float32', dims: [1, channelsIn, rows, columns] }],
    outputs: [{ name: 'y', type: 'float32', dims: [1, channelsOut, rows, columns] }],
    nodes: [
      ...(isBetween ? [each('first', 'x', input, channelsIn)] : []),
      {
        ...rest,
        name: 'c',
        op: 'Conv',
        inputs: [input, 'w', 'b'],
        outputs: ['c'],
        attributes: { pads: ints(1, 1, 1, 1) },
      },
      { ...rest, name: 'r', op: 'Relu', inputs: ['c'], outputs: [output], attributes: {} },
      ...(isBetween ? [each('last', output, 'y', channelsOut)] : []),
    ],
    constants: new Map([
      ['w', normal([channelsOut, channelsIn, 3, 3], SEED + 1, deviationOf(layer))],
      ['b', normal([channelsOut], SEED + 2, 0.1)],
      ['first::w', normal([channelsIn, 1, 1, 1], SEED + 3, 1)],
      ['last::w', normal([channelsOut, 1, 1, 1], SEED + 4, 1)],
    ]),
    weights: new Map(),
  };
}

/** The layer in both ways, whatever the costs promise. */
export function layerTiles(layer: FilterableLayer, surroundings: Surroundings): Readonly<Record<Arithmetic, Tile>> {
  const graph = layerGraph(layer, surroundings);
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

/** @throws MeshError KERNEL_FAILED, CANCELLED. */
export async function measureLayer(kernel: Kernel, layer: FilterableLayer, signal: AbortSignal): Promise<LayerTimes> {
  const input = layerInput(layer);
  const alone = await compare(kernel, layerTiles(layer, 'alone'), input, signal);
  const { maxRel } = difference(alone.results.exact, alone.results.fast);
  if (!gains(alone.leastMs)) return { aloneMs: alone.leastMs, difference: maxRel };
  const between = await compare(kernel, layerTiles(layer, 'between'), input, signal);
  return { aloneMs: alone.leastMs, betweenMs: between.leastMs, difference: maxRel };
}

/** The two take turns. */
async function compare(
  kernel: Kernel,
  tiles: Readonly<Record<Arithmetic, Tile>>,
  input: Tensor,
  signal: AbortSignal,
): Promise<{ readonly leastMs: Times; readonly results: Readonly<Record<Arithmetic, Tensor>> }> {
  const leastMs = { exact: Infinity, fast: Infinity };
  const results: Partial<Record<Arithmetic, Tensor>> = {};
  const startedMs = performance.now();
  try {
    for (const { program } of Object.values(tiles)) await kernel.prepare(program, null, signal);
    for (let run = 0; run < WARM_UP + MAX_RUNS; run++) {
      if (run >= WARM_UP + MIN_RUNS && performance.now() - startedMs > ENOUGH_MS) break;
      for (const arithmetic of inTurn(run)) {
        const { program, parameters } = tiles[arithmetic];
        const given: [string, Tensor][] = [['x', input], ...parameters];
        const feeds = new Map(given.map(([name, tensor]) => [name, copied(tensor)]));
        const { outputs, computeMs } = await kernel.run(program.key, feeds, signal);
        results[arithmetic] = outputs.get('y')!;
        if (run >= WARM_UP) leastMs[arithmetic] = Math.min(leastMs[arithmetic], computeMs);
      }
    }
  } finally {
    for (const { program } of Object.values(tiles)) await kernel.release(program.key);
  }
  return { leastMs, results: { exact: results.exact!, fast: results.fast! } };
}

/** Who runs second finds the core warmer. */
export const inTurn = (run: number): readonly Arithmetic[] => (run % 2 === 0 ? ['exact', 'fast'] : ['fast', 'exact']);

/** Kernels take the buffers of their inputs. */
const copied = (tensor: Tensor): Tensor => ({ ...tensor, bytes: tensor.bytes.slice() });
