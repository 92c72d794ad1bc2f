/**
 * `kernels`: single layers, and whole networks, in both arithmetics on one thread. Runs of the two take turns, and processor
 * time counts, so that what else the machine does falls on both alike. Every layer is computed by minimal filtering here,
 * also those that `fast` leaves to the direct kernel: the result shows whether it is right to.
 */
import { ZOO, type ZooName } from '../../models/zoo/index.ts';
import type { Kernel, WeightFile } from '../../kernels/kernel.ts';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import { createWasmKernel } from '../../kernels/wasm/kernel.ts';
import { difference } from '../../src/core/compare.ts';
import { verifyInputs } from '../../src/cli/verify-inputs.ts';
import { regionShape, wholeRegion } from '../../src/core/geometry/region.ts';
import { bindGraph, isConstant, type Arithmetic, type BoundGraph } from '../../src/core/graph/bind.ts';
import type { Graph } from '../../src/core/graph/graph.ts';
import { whereItPromises } from '../../src/core/graph/minimal-filtering.ts';
import { isWinogradConv, LEAST_GAIN, WEIGHT_GROWTH } from '../../src/core/ops/winograd-conv.ts';
import { compileTile } from '../../src/core/program/compile.ts';
import type { Program, Tile } from '../../src/core/program/program.ts';
import { ModelStore } from '../../src/mesh/model-store/model-store.ts';
import { byteLength, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { BenchContext } from '../context.ts';
import { describeMachine, watchLoad, type Load, type Machine } from '../measure/machine.ts';
import { median } from '../measure/statistics.ts';
import { graphOf, inputOf, LAYERS, type Layer } from './layers.ts';

export interface KernelsOptions {
  readonly kernel: 'onnxruntime' | 'wasm';
  readonly runs: number;
  /** Networks to run whole. */
  readonly model: readonly ZooName[];
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
  readonly layer: Layer;
  /** Operations of the direct convolution. */
  readonly flops: number;
  /** Whether `fast` computes it by minimal filtering. */
  readonly isChosen: boolean;
}

export interface NetworkResult extends Comparison {
  readonly model: ZooName;
  readonly filtered: number;
  readonly convolutions: number;
}

export interface KernelsResult {
  readonly schema: 'tilemesh.bench.kernels/1';
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

function wholeTile(bound: BoundGraph, scope: string): Tile {
  const wanted = bound.graph.outputs.map(({ name }) => name).filter((name) => !isConstant(bound, name));
  const regions = wanted.map((name) => {
    const shape = bound.shapes.get(name);
    return [name, shape === undefined ? null : wholeRegion(shape)] as const;
  });
  return compileTile(bound, { first: 0, last: bound.steps.length - 1 }, new Map(regions), scope);
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
    for (const arithmetic of ['exact', 'fast'] as const) {
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

async function measureLayer(kernel: Kernel, layer: Layer, runs: number, signal: AbortSignal): Promise<LayerResult> {
  const graph = graphOf(layer);
  const input = inputOf(layer);
  const inputs = new Map([['x', input]]);
  const bind = (arithmetic: Arithmetic, least?: number): BoundGraph =>
    bindGraph(graph, inputs, arithmetic, whereItPromises(least ?? LEAST_GAIN));
  const tiles = { exact: wholeTile(bind('exact'), 'exact'), fast: wholeTile(bind('fast', 0), 'fast') };
  const compared = await compareTiles(kernel, tiles, null, inputs, runs, signal);
  const isChosen = bind('fast').steps.some(({ node }) => isWinogradConv(node));
  return { layer, flops: 2 * tiles.exact.macs, isChosen, ...compared };
}

async function measureNetwork(
  kernel: Kernel,
  model: ZooName,
  runs: number,
  { folder, signal }: BenchContext,
): Promise<NetworkResult> {
  const store = await ModelStore.open(folder);
  try {
    const { id } = await store.importZoo(model);
    const graph: Graph = store.graph(id);
    const { inputs } = await verifyInputs(graph, { shape: [], seed: SEED });
    const bind = (arithmetic: Arithmetic): BoundGraph => bindGraph(graph, inputs, arithmetic);
    const fast = bind('fast');
    const tiles = { exact: wholeTile(bind('exact'), 'exact'), fast: wholeTile(fast, 'fast') };
    const compared = await compareTiles(kernel, tiles, store.weightFile(id), inputs, runs, signal);
    const filtered = fast.steps.filter(({ node }) => isWinogradConv(node)).length;
    const direct = fast.steps.filter(({ node }) => node.op === 'Conv').length;
    await store.remove(id);
    return { model, filtered, convolutions: filtered + direct, ...compared };
  } finally {
    await store.close();
  }
}

export async function measureKernels(options: KernelsOptions, context: BenchContext): Promise<KernelsResult> {
  const { signal, progress } = context;
  const kernel = options.kernel === 'wasm' ? createWasmKernel() : createOnnxRuntimeKernel();
  const loadSince = await watchLoad();
  try {
    const layers: LayerResult[] = [];
    for (const layer of LAYERS) {
      progress(`${layer.channelsIn} to ${layer.channelsOut} channels at ${layer.extent}`);
      layers.push(await measureLayer(kernel, layer, options.runs, signal));
    }
    const networks: NetworkResult[] = [];
    for (const model of options.model.filter((name) => Object.hasOwn(ZOO, name))) {
      progress(model);
      networks.push(await measureNetwork(kernel, model, options.runs, context));
    }
    const load = await loadSince();
    return { schema: 'tilemesh.bench.kernels/1', machine: describeMachine(), setting: options, layers, networks, load };
  } finally {
    await kernel.close();
  }
}
