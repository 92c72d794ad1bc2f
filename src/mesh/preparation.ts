/** Graphs bound to shapes, plans, and dataflows derived from them, kept for the next request that has the same. */
import { createHash } from 'node:crypto';
import type { Arithmetic, BoundGraph, InputSpec } from '../core/graph/bind.ts';
import { bindGraph } from '../core/graph/bind.ts';
import { amongNamed, type Verdicts } from '../core/graph/minimal-filtering.ts';
import type { PeerProfile } from '../core/cost/cost-model.ts';
import { MeshError } from '../core/errors.ts';
import type { PeerId, PlanDigest } from '../core/ids.ts';
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

/** A new plan must promise this much to take the place of the last one: it has to be prepared for. */
const LEAST_GAIN = 1.1;

/** One that has become so many times slower is done without until there is a new plan. */
const MOST_SLOWED = 4;

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

interface Latest {
  readonly digest: PlanDigest;
  readonly speeds: ReadonlyMap<PeerId, number>;
}

type Question = Omit<PlanQuestion, 'arithmetic' | 'verdicts'>;

const digestOf = (bytes: Uint8Array): PlanDigest => createHash('sha256').update(bytes).digest('hex') as PlanDigest;

const describeInputs = (inputs: ReadonlyMap<string, InputSpec>): string =>
  JSON.stringify([...inputs].map(([name, { type, shape }]) => [name, type, shape]).sort());

const speedsOf = (peers: readonly PeerProfile[]): ReadonlyMap<PeerId, number> =>
  new Map(peers.map(({ peer, macsPerSecond }) => [peer, macsPerSecond]));

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
  /** The plan used last, by what was asked of the planner but for who was there, and how fast those were then. */
  readonly #latest = new RecentMap<string, Latest>(KEPT);

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
   * The plan for a request. Only the first is waited for: where others have come, or been lost, the last one goes on being used,
   * patched where it must be, and a new one is made meanwhile.
   * @param earlier the plan that the request itself was lost with.
   * @throws MeshError MODEL_NOT_FOUND, INVALID_INPUT, UNAVAILABLE.
   */
  async planFor(question: Question, signal: AbortSignal, earlier?: PlanDigest): Promise<EncodedPlan> {
    const peers = levelled(question.peers);
    const { key, family } = keysOf(question, this.#layers.verdicts);
    const known = this.#encoded.get(key);
    const last = known === undefined ? this.#lastFor(question, peers, family, earlier) : undefined;
    const lasting = last && encodedOf(encodePlan(last));
    const encoded = known ?? lasting ?? (await this.#make(question, signal));
    this.#encoded.set(key, encoded);
    this.#latest.set(family, { digest: encoded.digest, speeds: speedsOf(peers) });
    if (last !== undefined) void this.#improve(question, last.predictedMs, encoded);
    return encoded;
  }

  /** The plan to go on with, as it is or patched; undefined where there is none that would do. */
  #lastFor(
    { parallelism }: Question,
    peers: readonly PeerProfile[],
    family: string,
    earlier: PlanDigest | undefined,
  ): Plan | undefined {
    const latest = this.#latest.get(family);
    const base = this.known(earlier ?? latest?.digest);
    if (base === undefined) return undefined;
    const isStillFast = ({ peer, macsPerSecond }: PeerProfile): boolean =>
      (latest?.speeds.get(peer) ?? 0) <= MOST_SLOWED * macsPerSecond;
    const patched = patchPlan(base.bound, base.plan, peers.filter(isStillFast));
    if (patched !== undefined || latest === undefined || base !== this.known(latest.digest)) return patched;
    // Made for a few of those that are here it may be for one alone, to verify an answer.
    if (2 * latest.speeds.size <= peers.length) return undefined;
    const able = new Set(peers.filter(isStillFast).map(({ peer }) => peer));
    const { participants } = base.plan;
    const isWide = parallelism === 0 || participants.length >= Math.min(parallelism, peers.length);
    return isWide && participants.every((peer) => able.has(peer)) ? base.plan : undefined;
  }

  async #make(question: Question, signal: AbortSignal): Promise<EncodedPlan> {
    const graph = await this.#models.graph(question.modelId, signal);
    const { verdicts } = this.#layers;
    if (this.#arithmetic === 'fast') this.#layers.consider(graph, question.inputs);
    return encodedOf(await this.#planner.plan({ ...question, arithmetic: this.#arithmetic, verdicts }, graph));
  }

  /** Has the next requests use a better plan than the last one, where there is one. Never rejects. */
  async #improve(question: Question, lastMs: number, last: EncodedPlan): Promise<void> {
    const asked = { ...question, isCold: false };
    const { key } = keysOf(asked, this.#layers.verdicts);
    if (this.#encoded.get(key) !== undefined && question.isCold === true) return;
    this.#encoded.set(key, last);
    try {
      const made = await this.#make(asked, UNENDING);
      if (decodePlan(made.bytes).predictedMs * LEAST_GAIN < lastMs) this.#encoded.set(key, made);
    } catch {
      // The last plan goes on being used.
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
