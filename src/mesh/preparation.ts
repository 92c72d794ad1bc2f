/** Graphs bound to shapes, plans, and dataflows derived from them, kept for the next request that has the same. */
import { createHash } from 'node:crypto';
import type { Arithmetic, BoundGraph, InputSpec } from '../core/graph/bind.ts';
import { bindGraph } from '../core/graph/bind.ts';
import { amongNamed, type Verdicts } from '../core/graph/minimal-filtering.ts';
import { MeshError } from '../core/errors.ts';
import type { PlanDigest } from '../core/ids.ts';
import { deriveDataflow, type Dataflow } from '../core/plan/dataflow.ts';
import { decodePlan, encodePlan } from '../core/plan/encode.ts';
import { patchPlan } from '../core/plan/patch.ts';
import { levelled } from '../core/plan/planner.ts';
import type { Plan } from '../core/plan/plan.ts';
import { checkPlan } from '../core/plan/validate.ts';
import type { Planner, PlanQuestion } from './plan-thread.ts';
import { UNMEASURED, type LayerChoice, type ModelAccess } from './ports.ts';
import { RecentMap } from './recent-map.ts';

/** How many of each are kept; the ones used longest ago go first. */
const KEPT = 64;

/** A new plan must promise this much to take the place of one that was patched: it has to be prepared for. */
const LEAST_GAIN = 1.1;

/** Of what nobody waits for. */
const UNENDING = new AbortController().signal;

/** A plan as it crosses the wire. */
export interface EncodedPlan {
  readonly digest: PlanDigest;
  readonly bytes: Uint8Array;
}

export interface PreparedPlan {
  readonly bound: BoundGraph;
  readonly plan: Plan;
  readonly dataflow: Dataflow;
}

type Question = Omit<PlanQuestion, 'arithmetic' | 'verdicts'>;

const digestOf = (bytes: Uint8Array): PlanDigest => createHash('sha256').update(bytes).digest('hex') as PlanDigest;

const describeInputs = (inputs: ReadonlyMap<string, InputSpec>): string =>
  JSON.stringify([...inputs].map(([name, { type, shape }]) => [name, type, shape]).sort());

const encodedOf = (bytes: Uint8Array): EncodedPlan => ({ digest: digestOf(bytes), bytes });

/** What a plan depends on, and the same but for who is there. */
function keysOf(question: Question, verdicts: Verdicts): { readonly key: string; readonly family: string } {
  const { modelId, coordinator, link, parallelism, inputs, isCold = false, concurrency = 1 } = question;
  const peers = levelled(question.peers).map(({ peer, macsPerSecond, memoryBudgetBytes }) => [
    peer,
    macsPerSecond,
    memoryBudgetBytes,
  ]);
  const family = [modelId, describeInputs(inputs), link, parallelism, concurrency, verdicts];
  return { key: JSON.stringify([...family, coordinator, isCold, peers]), family: JSON.stringify(family) };
}

export class Preparation {
  readonly #models: ModelAccess;
  readonly #planner: Planner;
  readonly #arithmetic: Arithmetic;
  readonly #layers: LayerChoice;
  readonly #bound = new RecentMap<string, BoundGraph>(KEPT);
  readonly #plans = new RecentMap<PlanDigest, PreparedPlan>(KEPT);
  /** By what was asked of the planner. */
  readonly #encoded = new RecentMap<string, EncodedPlan>(KEPT);
  /** The plan used last, by what was asked of the planner but for who was there. */
  readonly #latest = new RecentMap<string, PlanDigest>(KEPT);

  /** @param arithmetic and `layers` of the plans that this peer makes; in those of others theirs count. */
  constructor(models: ModelAccess, planner: Planner, arithmetic: Arithmetic, layers: LayerChoice = UNMEASURED) {
    this.#models = models;
    this.#planner = planner;
    this.#arithmetic = arithmetic;
    this.#layers = layers;
  }

  async #bind({ modelId: id, arithmetic, filtered = [], ...plan }: Plan, signal: AbortSignal): Promise<BoundGraph> {
    const inputs = new Map(Object.entries(plan.inputs));
    const key = `${id}${arithmetic}${JSON.stringify(filtered)}${describeInputs(inputs)}`;
    const known = this.#bound.get(key);
    if (known !== undefined) return known;
    const bound = bindGraph(await this.#models.graph(id, signal), inputs, arithmetic, amongNamed(filtered));
    this.#bound.set(key, bound);
    return bound;
  }

  /**
   * The plan for a request, made anew only when who takes part has changed. Where some have been lost since the last plan it
   * is patched, and a new one made meanwhile.
   * @param earlier the plan that the request itself was lost with.
   * @throws MeshError MODEL_NOT_FOUND, INVALID_INPUT, UNAVAILABLE.
   */
  async planFor(question: Question, signal: AbortSignal, earlier?: PlanDigest): Promise<EncodedPlan> {
    const { key, family } = keysOf(question, this.#layers.verdicts);
    const known = this.#encoded.get(key);
    if (known !== undefined) {
      this.#latest.set(family, known.digest);
      return known;
    }
    const base = this.known(earlier ?? this.#latest.get(family));
    const patched = base && patchPlan(base.bound, base.plan, levelled(question.peers));
    const encoded = patched === undefined ? await this.#make(question, signal) : encodedOf(encodePlan(patched));
    this.#encoded.set(key, encoded);
    this.#latest.set(family, encoded.digest);
    if (patched !== undefined) void this.#improve(question, patched.predictedMs, encoded);
    return encoded;
  }

  async #make(question: Question, signal: AbortSignal): Promise<EncodedPlan> {
    const graph = await this.#models.graph(question.modelId, signal);
    const { verdicts } = this.#layers;
    if (this.#arithmetic === 'fast') this.#layers.consider(graph, question.inputs);
    return encodedOf(await this.#planner.plan({ ...question, arithmetic: this.#arithmetic, verdicts }, graph));
  }

  /** Has the next requests use a better plan than one that was patched, where there is one. Never rejects. */
  async #improve(question: Question, patchedMs: number, patched: EncodedPlan): Promise<void> {
    const asked = { ...question, isCold: false };
    const { key } = keysOf(asked, this.#layers.verdicts);
    if (this.#encoded.get(key) !== undefined && question.isCold === true) return;
    this.#encoded.set(key, patched);
    try {
      const made = await this.#make(asked, UNENDING);
      if (decodePlan(made.bytes).predictedMs * LEAST_GAIN < patchedMs) this.#encoded.set(key, made);
    } catch {
      // The patched plan goes on being used.
    }
  }

  /** A plan that was learnt before and is still kept. */
  known(digest: PlanDigest | undefined): PreparedPlan | undefined {
    return digest === undefined ? undefined : this.#plans.get(digest);
  }

  /**
   * Takes in a plan: checked against its digest and its graph, its dataflow derived.
   * @throws MeshError INVALID_MESSAGE, MODEL_NOT_FOUND, INVALID_INPUT.
   */
  async learn({ digest, bytes }: EncodedPlan, signal: AbortSignal): Promise<PreparedPlan> {
    const known = this.known(digest);
    if (known !== undefined) return known;
    if (digestOf(bytes) !== digest) throw new MeshError('INVALID_MESSAGE', 'a plan came under the digest of another');
    const plan = decodePlan(bytes);
    const bound = await this.#bind(plan, signal);
    checkPlan(bound, plan);
    const prepared = { bound, plan, dataflow: deriveDataflow(bound, plan) };
    this.#plans.set(digest, prepared);
    return prepared;
  }
}
