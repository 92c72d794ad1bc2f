/** Graphs bound to shapes and dataflows derived from plans, kept for the next request that has the same. */
import type { Arithmetic, BoundGraph, InputSpec } from '../core/graph/bind.ts';
import { bindGraph } from '../core/graph/bind.ts';
import type { ModelId } from '../core/ids.ts';
import { deriveDataflow, type Dataflow } from '../core/plan/dataflow.ts';
import { levelled } from '../core/plan/planner.ts';
import type { Plan } from '../core/plan/plan.ts';
import { checkPlan, parsePlan } from '../core/plan/validate.ts';
import { MeshError } from '../core/errors.ts';
import type { Planner, PlanQuestion } from './plan-thread.ts';
import type { ModelAccess } from './ports.ts';
import { RecentMap } from './recent-map.ts';

/** How many of each are kept; the ones used longest ago go first. */
const KEPT = 64;

export interface PreparedPlan {
  readonly bound: BoundGraph;
  readonly plan: Plan;
  readonly dataflow: Dataflow;
}

const describeInputs = (inputs: ReadonlyMap<string, InputSpec>): string =>
  JSON.stringify([...inputs].map(([name, { type, shape }]) => [name, type, shape]).sort());

export class Preparation {
  readonly #models: ModelAccess;
  readonly #planner: Planner;
  readonly #arithmetic: Arithmetic;
  readonly #bound = new RecentMap<string, BoundGraph>(KEPT);
  readonly #plans = new RecentMap<string, PreparedPlan>(KEPT);
  readonly #encoded = new RecentMap<string, Uint8Array>(KEPT);

  /** @param arithmetic of the plans that this peer makes; in those of others theirs counts. */
  constructor(models: ModelAccess, planner: Planner, arithmetic: Arithmetic) {
    this.#models = models;
    this.#planner = planner;
    this.#arithmetic = arithmetic;
  }

  /** @throws MeshError MODEL_NOT_FOUND, INVALID_INPUT. */
  async bind(
    id: ModelId,
    inputs: ReadonlyMap<string, InputSpec>,
    signal: AbortSignal,
    arithmetic: Arithmetic = 'exact',
  ): Promise<BoundGraph> {
    const key = `${id}${arithmetic}${describeInputs(inputs)}`;
    const known = this.#bound.get(key);
    if (known !== undefined) return known;
    const bound = bindGraph(await this.#models.graph(id, signal), inputs, arithmetic);
    this.#bound.set(key, bound);
    return bound;
  }

  /** The plan for a request, made anew only when who takes part has changed. Encoded as it is sent. */
  async planFor(question: Omit<PlanQuestion, 'arithmetic'>, signal: AbortSignal): Promise<Uint8Array> {
    const { modelId, coordinator, link, parallelism, inputs, isCold = false } = question;
    const peers = levelled(question.peers).map((profile) => [
      profile.peer,
      profile.macsPerSecond,
      profile.memoryBudgetBytes,
    ]);
    const key = JSON.stringify([modelId, describeInputs(inputs), peers, coordinator, link, parallelism, isCold]);
    const known = this.#encoded.get(key);
    if (known !== undefined) return known;
    const encoded = await this.#planner.plan(
      { ...question, arithmetic: this.#arithmetic },
      await this.#models.graph(modelId, signal),
    );
    this.#encoded.set(key, encoded);
    return encoded;
  }

  /** A plan as it came over the wire: parsed, checked against the graph, its dataflow derived. */
  async plan(encoded: Uint8Array, signal: AbortSignal): Promise<PreparedPlan> {
    const text = new TextDecoder().decode(encoded);
    const known = this.#plans.get(text);
    if (known !== undefined) return known;
    const plan = parsePlan(parseJson(text));
    const bound = await this.bind(plan.modelId, new Map(Object.entries(plan.inputs)), signal, plan.arithmetic);
    checkPlan(bound, plan);
    const prepared = { bound, plan, dataflow: deriveDataflow(bound, plan) };
    this.#plans.set(text, prepared);
    return prepared;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MeshError('INVALID_MESSAGE', 'not a valid plan: it is not JSON', { cause });
  }
}
