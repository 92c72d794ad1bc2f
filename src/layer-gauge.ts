/**
 * Which layers this peer would have computed by minimal filtering: measured once for each kind of layer, when a model comes
 * to it or is asked for, while nothing else is to be done, and kept on disk for this machine, kernel and runtime.
 *
 * Verdicts on a model's layers come into force together, when all of them are there: its plans change once. A plan names the
 * layers that its coordinator chose so, and whoever takes part computes these so, whatever it measured itself.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import type { Kernel } from '../kernels/kernel.ts';
import { measureLayer, verdictOf, type LayerTimes } from '../kernels/layer-speed.ts';
import { toMeshError } from './core/errors.ts';
import { bindGraph, type InputSpec } from './core/graph/bind.ts';
import type { Graph, ValueInfo } from './core/graph/graph.ts';
import type { ModelId } from './core/ids.ts';
import { candidatesOf, layerName, type Verdicts } from './core/graph/minimal-filtering.ts';
import { WEIGHT_GROWTH, type FilterableLayer } from './core/ops/winograd-conv.ts';
import type { LayerChoice } from './mesh/ports.ts';
import { replaceFile } from './mesh/model-store/storage.ts';
import type { Logger } from './observability/logger.ts';

const SCHEMA = 'tilemesh.layer-times/1';
const TIMES = v.object({ exact: v.number(), fast: v.number() });
const FILE = v.object({
  schema: v.literal(SCHEMA),
  machine: v.string(),
  layers: v.record(v.string(), v.object({ aloneMs: TIMES, betweenMs: v.exactOptional(TIMES), difference: v.number() })),
});

export interface LayerGaugeParts {
  readonly kernel: Kernel;
  /** File in which measurements are kept. */
  readonly path: string;
  /** What measurements hold for: processor, cores, kernel and its threads, version of the runtime. */
  readonly machine: string;
  /** Verdicts of the configuration. */
  readonly pinned: Verdicts;
  /** Layers that take more to measure are left to what the costs promise. */
  readonly maxBytes: number;
  readonly isIdle: () => boolean;
  readonly logger: Logger;
}

/** How often it looks whether there is anything else to do. */
const IDLE_POLL_MS = 500;
const LAYER_TIMEOUT_MS = 60_000;
const FILTER_BYTES = 9 * 4;
/** Weights as given, transformed, on their way into the session, and packed there. */
const COPIES = 1 + 3 * WEIGHT_GROWTH;

const bytesOf = ({ channelsIn, channelsOut, rows, columns }: FilterableLayer): number =>
  FILTER_BYTES * channelsIn * channelsOut * COPIES + 4 * rows * columns * (channelsIn + channelsOut) * WEIGHT_GROWTH;

/** Shapes of inputs that a model leaves open in the number of images only; undefined for others. */
function closedInputs({ inputs }: Graph): ReadonlyMap<string, InputSpec> | undefined {
  const shapeOf = ({ dims }: ValueInfo): number[] =>
    dims.map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? 1 : NaN));
  const specs = inputs.map((input) => [input.name, { type: input.type, shape: shapeOf(input) }] as const);
  return specs.some(([, { shape }]) => shape.some(Number.isNaN)) ? undefined : new Map(specs);
}

export class LayerGauge implements LayerChoice {
  readonly #parts: LayerGaugeParts;
  readonly #stopping = new AbortController();
  readonly #times: Map<string, LayerTimes>;
  /** Layers that are being or were measured, also in vain. */
  readonly #considered: Set<string>;
  readonly #models = new Set<ModelId>();
  #verdicts: Verdicts = {};
  #working: Promise<void> = Promise.resolve();

  private constructor(parts: LayerGaugeParts, times: ReadonlyMap<string, LayerTimes>) {
    this.#parts = parts;
    this.#times = new Map(times);
    this.#considered = new Set(times.keys());
    this.#publish();
  }

  /** With what is on disk, if that was measured on this machine as it is. */
  static async open(parts: LayerGaugeParts): Promise<LayerGauge> {
    const text = await readFile(parts.path, 'utf8').catch(() => '');
    return new LayerGauge(parts, timesIn(text, parts.machine));
  }

  get verdicts(): Verdicts {
    return this.#verdicts;
  }

  /** Resolves when all that was to be measured has been. */
  get settled(): Promise<void> {
    return this.#working;
  }

  /** A model that this peer has now. */
  considerModel(id: ModelId, graphOf: () => Graph): void {
    if (this.#models.has(id)) return;
    this.#models.add(id);
    try {
      const graph = graphOf();
      const inputs = closedInputs(graph);
      if (inputs !== undefined) this.consider(graph, inputs);
    } catch (error) {
      // Whoever asks for the model will be told as well.
      this.#parts.logger.debug({ model: id, code: toMeshError(error).code }, 'layers not considered');
    }
  }

  /** @throws MeshError as `bindGraph`. */
  consider(graph: Graph, inputs: ReadonlyMap<string, InputSpec>): void {
    const { steps } = bindGraph(graph, inputs);
    const layers = new Map(candidatesOf(steps, graph).map(({ layer }) => [layerName(layer), layer]));
    const { maxBytes, pinned } = this.#parts;
    const missing = [...layers].filter(
      ([name, layer]) => !this.#considered.has(name) && !Object.hasOwn(pinned, name) && bytesOf(layer) <= maxBytes,
    );
    for (const [name] of missing) this.#considered.add(name);
    if (missing.length > 0) this.#working = this.#working.then(() => this.#measure(missing));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  async #measure(layers: readonly (readonly [string, FilterableLayer])[]): Promise<void> {
    const { signal } = this.#stopping;
    const { kernel, logger } = this.#parts;
    try {
      for (const [name, layer] of layers) {
        while (!this.#parts.isIdle()) await sleep(IDLE_POLL_MS, undefined, { signal, ref: false });
        const limit = AbortSignal.any([signal, AbortSignal.timeout(LAYER_TIMEOUT_MS)]);
        this.#times.set(name, await measureLayer(kernel, layer, limit));
      }
      this.#publish();
      logger.debug({ layers: layers.map(([name]) => `${name} ${this.#verdicts[name]}`) }, 'layers measured');
      await this.#save();
    } catch (error) {
      if (signal.aborted) return;
      // What the costs promise serves as well; a kernel that fails will say so where it is needed.
      logger.debug({ code: toMeshError(error).code }, `layers not measured: ${toMeshError(error).message}`);
    }
  }

  #publish(): void {
    const measured = [...this.#times].map(([name, times]) => [name, verdictOf(times)] as const);
    this.#verdicts = { ...Object.fromEntries(measured), ...this.#parts.pinned };
  }

  async #save(): Promise<void> {
    const { machine, path } = this.#parts;
    const file = { schema: SCHEMA, machine, layers: Object.fromEntries(this.#times) };
    await replaceFile(path, new TextEncoder().encode(`${JSON.stringify(file)}\n`));
  }
}

function timesIn(text: string, machine: string): ReadonlyMap<string, LayerTimes> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return new Map();
  }
  const { success, output } = v.safeParse(FILE, json);
  return success && output.machine === machine ? new Map(Object.entries(output.layers)) : new Map();
}
