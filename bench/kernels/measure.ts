/**
 * `kernels`: single layers, and whole networks, in both arithmetics on one thread. Runs of the two take turns, and processor
 * time counts, so that what else the machine does falls on both alike. Networks are computed as the layers measured here have
 * it, as a peer would that measured them.
 */
import { ZOO, type ZooName } from '../../models/zoo/index.ts';
import type { Kernel, WeightFile } from '../../kernels/kernel.ts';
import {
  gains,
  inTurn,
  layerInput,
  layerTiles,
  verdictOf,
  type Surroundings,
  type Times,
} from '../../kernels/layer-speed.ts';
import { hasLargeProduct } from '../../kernels/lanes/session-definition.ts';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import { createWasmKernel } from '../../kernels/wasm/kernel.ts';
import { difference } from '../../src/core/compare.ts';
import { verifyInputs } from '../../src/cli/verify-inputs.ts';
import { regionShape, wholeRegion } from '../../src/core/geometry/region.ts';
import { bindGraph, isConstant, type Arithmetic, type BoundGraph } from '../../src/core/graph/bind.ts';
import { byVerdicts, candidatesOf, layerName, type Verdict } from '../../src/core/graph/minimal-filtering.ts';
import { isWinogradConv, WEIGHT_GROWTH, type FilterableLayer } from '../../src/core/ops/winograd-conv.ts';
import { compileTile } from '../../src/core/program/compile.ts';
import type { Program, Tile } from '../../src/core/program/program.ts';
import { ModelStore } from '../../src/mesh/model-store/model-store.ts';
import { byteLength, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { BenchContext } from '../context.ts';
import { describeMachine, watchLoad, type Load, type Machine } from '../measure/machine.ts';
import { median } from '../measure/statistics.ts';
import { LAYERS } from './layers.ts';

export interface KernelsOptions {
  readonly kernel: 'onnxruntime' | 'wasm';
  readonly runs: number;
  /** Networks to run whole. */
  readonly model: readonly ZooName[];
  /** All that come with tilemesh. */
  readonly zoo?: boolean;
}

export interface Variant {
  /** Processor time of a run. */
  readonly minMs: number;
  readonly medianMs: number;
  /** Weights as they are held to run. */
  readonly bytes: number;
  readonly prepareMs: number;
}

export interface Comparison {
  readonly exact: Variant;
  readonly fast: Variant;
  /** Relative to the largest value. */
  readonly difference: number;
}

export interface LayerResult extends Comparison {
  readonly layer: FilterableLayer;
  /** Operations of the direct convolution. */
  readonly flops: number;
  /** What `fast` computes it with. */
  readonly variant: Verdict;
  /** Where it gains alone: times between two cheap convolutions, these included. */
  readonly betweenMs?: Times;
}

export interface NetworkResult extends Comparison {
  readonly model: ZooName;
  /** `maps`: all before the fully connected layers, of networks that these make a large part of. */
  readonly part: 'whole' | 'maps';
  /** Convolutions by minimal filtering, by the names of their results. */
  readonly filtered: readonly string[];
  readonly convolutions: number;
}

export interface KernelsResult {
  readonly schema: 'tilemesh.bench.kernels/2';
  readonly machine: Machine;
  readonly setting: KernelsOptions;
  readonly layers: readonly LayerResult[];
  readonly networks: readonly NetworkResult[];
  readonly load: Load;
}

const SEED = 1;
/** The first runs of a session find nothing in place. */
const WARM_UP = 1;

interface Subject {
  readonly tile: Tile;
  readonly prepareMs: number;
}

const FLATTENING: ReadonlySet<string> = new Set(['Flatten', 'Reshape', 'Gemm', 'MatMul']);

/** The steps before the first that leaves maps behind. */
function mapTile(bound: BoundGraph, scope: string): Tile {
  const last = bound.steps.findIndex(({ node }) => FLATTENING.has(node.op)) - 1;
  return tileOf(bound, last, bound.steps[last]!.node.outputs, scope);
}

function wholeTile(bound: BoundGraph, scope: string): Tile {
  const wanted = bound.graph.outputs.map(({ name }) => name).filter((name) => !isConstant(bound, name));
  return tileOf(bound, bound.steps.length - 1, wanted, scope);
}

function tileOf(bound: BoundGraph, last: number, wanted: readonly string[], scope: string): Tile {
  const regions = wanted.map((name) => {
    const shape = bound.shapes.get(name);
    return [name, shape === undefined ? null : wholeRegion(shape)] as const;
  });
  return compileTile(bound, { first: 0, last }, new Map(regions), scope);
}

function weightBytes({ nodes, constants, weights }: Program): number {
  const filters = new Set(nodes.filter(isWinogradConv).map(({ inputs }) => inputs[1]));
  const growth = (name: string): number => (filters.has(name) ? WEIGHT_GROWTH : 1);
  const held = [...constants].reduce((sum, [name, { bytes }]) => sum + bytes.byteLength * growth(name), 0);
  return [...weights].reduce(
    (sum, [name, { type, region }]) => sum + byteLength(type, regionShape(region)) * growth(name),
    held,
  );
}

async function prepared(kernel: Kernel, tile: Tile, weights: WeightFile | null, signal: AbortSignal): Promise<Subject> {
  const startedMs = performance.now();
  await kernel.prepare(tile.program, weights, signal);
  return { tile, prepareMs: performance.now() - startedMs };
}

const fresh = (tensors: Iterable<readonly [string, Tensor]>): Map<string, Tensor> =>
  new Map([...tensors].map(([name, tensor]) => [name, { ...tensor, bytes: tensor.bytes.slice() }]));

/** Both tiles in turn, so many times each. */
async function compareTiles(
  kernel: Kernel,
  tiles: Readonly<Record<Arithmetic, Tile>>,
  weights: WeightFile | null,
  inputs: ReadonlyMap<string, Tensor>,
  runs: number,
  signal: AbortSignal,
): Promise<Comparison> {
  const subjects = {
    exact: await prepared(kernel, tiles.exact, weights, signal),
    fast: await prepared(kernel, tiles.fast, weights, signal),
  };
  const times: Record<Arithmetic, number[]> = { exact: [], fast: [] };
  const outputs: Partial<Record<Arithmetic, ReadonlyMap<string, Tensor>>> = {};
  for (let run = 0; run < runs + WARM_UP; run++) {
    for (const arithmetic of inTurn(run)) {
      const { tile } = subjects[arithmetic];
      const feeds = fresh([...[...inputs].filter(([name]) => tile.feeds.has(name)), ...tile.parameters]);
      const since = process.cpuUsage();
      outputs[arithmetic] = (await kernel.run(tile.program.key, feeds, signal)).outputs;
      const { user, system } = process.cpuUsage(since);
      if (run >= WARM_UP) times[arithmetic].push((user + system) / 1000);
    }
  }
  for (const { tile } of Object.values(subjects)) await kernel.release(tile.program.key);
  const variant = (arithmetic: Arithmetic): Variant => ({
    minMs: Math.min(...times[arithmetic]),
    medianMs: median(times[arithmetic]),
    bytes: weightBytes(subjects[arithmetic].tile.program),
    prepareMs: subjects[arithmetic].prepareMs,
  });
  const apart = [...outputs.exact!].map(([name, tensor]) => difference(tensor, outputs.fast!.get(name)!).maxRel);
  return { exact: variant('exact'), fast: variant('fast'), difference: Math.max(...apart) };
}

async function measureLayer(
  kernel: Kernel,
  layer: FilterableLayer,
  runs: number,
  signal: AbortSignal,
): Promise<LayerResult> {
  const compare = (surroundings: Surroundings): Promise<Comparison> => {
    const inputs = new Map([['x', layerInput(layer)]]);
    return compareTiles(kernel, layerTiles(layer, surroundings), null, inputs, runs, signal);
  };
  const timesOf = ({ exact, fast }: Comparison): Times => ({ exact: exact.minMs, fast: fast.minMs });
  const alone = await compare('alone');
  const aloneMs = timesOf(alone);
  const betweenMs = gains(aloneMs) ? timesOf(await compare('between')) : undefined;
  const variant = verdictOf({ aloneMs, ...(betweenMs && { betweenMs }), difference: alone.difference });
  const { channelsIn, channelsOut, rows, columns } = layer;
  const flops = 2 * 9 * channelsIn * channelsOut * rows * columns;
  return { layer, flops, variant, ...(betweenMs && { betweenMs }), ...alone };
}

/** What was measured so far, each layer once. */
class Series {
  readonly #results = new Map<string, LayerResult>();
  readonly #kernel: Kernel;
  readonly #runs: number;
  readonly #context: BenchContext;

  constructor(kernel: Kernel, runs: number, context: BenchContext) {
    this.#kernel = kernel;
    this.#runs = runs;
    this.#context = context;
  }

  get results(): LayerResult[] {
    return [...this.#results.values()];
  }

  async verdict(layer: FilterableLayer): Promise<Verdict> {
    const name = layerName(layer);
    const known = this.#results.get(name);
    if (known !== undefined) return known.variant;
    this.#context.progress(name);
    const result = await measureLayer(this.#kernel, layer, this.#runs, this.#context.signal);
    this.#results.set(name, result);
    return result.variant;
  }

  async network(model: ZooName): Promise<NetworkResult[]> {
    const { folder, signal, progress } = this.#context;
    const store = await ModelStore.open(folder);
    try {
      const { id } = await store.importZoo(model);
      const graph = store.graph(id);
      const { inputs } = await verifyInputs(graph, { shape: [], seed: SEED });
      const exact = bindGraph(graph, inputs);
      const verdicts: Record<string, Verdict> = {};
      for (const { layer } of candidatesOf(exact.steps, graph)) verdicts[layerName(layer)] = await this.verdict(layer);
      progress(model);
      const fast = bindGraph(graph, inputs, 'fast', byVerdicts(verdicts));
      const weights = store.weightFile(id);
      const compare = (tile: (bound: BoundGraph, scope: string) => Tile): Promise<Comparison> => {
        const tiles = { exact: tile(exact, `${model} exact`), fast: tile(fast, `${model} fast`) };
        return compareTiles(this.#kernel, tiles, weights, inputs, this.#runs, signal);
      };
      const convolutions = exact.steps.filter(({ node }) => node.op === 'Conv').length;
      const own = { model, filtered: fast.filtered, convolutions };
      const results: NetworkResult[] = [{ ...own, part: 'whole', ...(await compare(wholeTile)) }];
      if (hasLargeProduct(graph)) results.push({ ...own, part: 'maps', ...(await compare(mapTile)) });
      await store.remove(id);
      return results;
    } finally {
      await store.close();
    }
  }
}

export async function measureKernels(options: KernelsOptions, context: BenchContext): Promise<KernelsResult> {
  const kernel = options.kernel === 'wasm' ? createWasmKernel() : createOnnxRuntimeKernel();
  const loadSince = await watchLoad();
  try {
    const series = new Series(kernel, options.runs, context);
    for (const layer of LAYERS) await series.verdict(layer);
    const networks: NetworkResult[] = [];
    const wanted = options.zoo === true ? (Object.keys(ZOO) as ZooName[]) : options.model;
    for (const model of wanted) networks.push(...(await series.network(model)));
    return {
      schema: 'tilemesh.bench.kernels/2',
      machine: describeMachine(),
      setting: options,
      layers: series.results,
      networks,
      load: await loadSince(),
    };
  } finally {
    await kernel.close();
  }
}
