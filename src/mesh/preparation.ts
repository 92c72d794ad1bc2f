/** Graphs bound to shapes, plans, and dataflows derived from them, kept for the next request that has the same. */
import { createHash } from 'node:crypto';
import type { Arithmetic, BoundGraph, InputSpec } from '../core/graph/bind.ts';
import { bindGraph } from '../core/graph/bind.ts';
import { MeshError } from '../core/errors.ts';
import type { ModelId, PlanDigest } from '../core/ids.ts';
import { deriveDataflow, type Dataflow } from '../core/plan/dataflow.ts';
import { decodePlan } from '../core/plan/encode.ts';
import { levelled } from '../core/plan/planner.ts';
import type { Plan } from '../core/plan/plan.ts';
import { checkPlan } from '../core/plan/validate.ts';
import type { Planner, PlanQuestion } from './plan-thread.ts';
import type { ModelAccess } from './ports.ts';
import { RecentMap } from './recent-map.ts';

/** How many of each are kept; the ones used longest ago go first. */
const KEPT = 64;

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

const digestOf = (bytes: Uint8Array): PlanDigest => createHash('sha256').update(bytes).digest('hex') as PlanDigest;

const describeInputs = (inputs: ReadonlyMap<string, InputSpec>): string =>
  JSON.stringify([...inputs].map(([name, { type, shape }]) => [name, type, shape]).sort());

export class Preparation {
  readonly #models: ModelAccess;
  readonly #planner: Planner;
  readonly #arithmetic: Arithmetic;
  readonly #bound = new RecentMap<string, BoundGraph>(KEPT);
  readonly #plans = new RecentMap<PlanDigest, PreparedPlan>(KEPT);
  /** By what was asked of the planner. */
  readonly #encoded = new RecentMap<string, EncodedPlan>(KEPT);

  /** @param arithmetic of the plans that this peer makes; in those of others theirs counts. */
  constructor(models: ModelAccess, planner: Planner, arithmetic: Arithmetic) {
    this.#models = models;
    this.#planner = planner;
    this.#arithmetic = arithmetic;
  }

  async #bind(
    id: ModelId,
    inputs: ReadonlyMap<string, InputSpec>,
    arithmetic: Arithmetic,
    signal: AbortSignal,
  ): Promise<BoundGraph> {
    const key = `${id}${arithmetic}${describeInputs(inputs)}`;
    const known = this.#bound.get(key);
    if (known !== undefined) return known;
    const bound = bindGraph(await this.#models.graph(id, signal), inputs, arithmetic);
    this.#bound.set(key, bound);
    return bound;
  }

  /**
   * The plan for a request, made anew only when who takes part has changed.
   * @throws MeshError MODEL_NOT_FOUND, INVALID_INPUT, UNAVAILABLE.
   */
  async planFor(question: Omit<PlanQuestion, 'arithmetic'>, signal: AbortSignal): Promise<EncodedPlan> {
    const { modelId, coordinator, link, parallelism, inputs, isCold = false, concurrency = 1 } = question;
    const peers = levelled(question.peers).map((profile) => [
      profile.peer,
      profile.macsPerSecond,
      profile.memoryBudgetBytes,
    ]);
    const rest = [coordinator, link, parallelism, isCold, concurrency];
    const key = JSON.stringify([modelId, describeInputs(inputs), peers, ...rest]);
    const known = this.#encoded.get(key);
    if (known !== undefined) return known;
    const asked = { ...question, arithmetic: this.#arithmetic };
    const bytes = await this.#planner.plan(asked, await this.#models.graph(modelId, signal));
    const encoded = { digest: digestOf(bytes), bytes };
    this.#encoded.set(key, encoded);
    return encoded;
  }

  /** A plan that was learnt before and is still kept. */
  known(digest: PlanDigest): PreparedPlan | undefined {
    return this.#plans.get(digest);
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
    const bound = await this.#bind(plan.modelId, new Map(Object.entries(plan.inputs)), plan.arithmetic, signal);
    checkPlan(bound, plan);
    const prepared = { bound, plan, dataflow: deriveDataflow(bound, plan) };
    this.#plans.set(digest, prepared);
    return prepared;
  }
}
