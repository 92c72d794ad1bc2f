/** Plans as the mesh makes them, kept: coordinators of one group get the same plan, with all that follows from it. */
import type { LinkProfile, PeerProfile } from '../core/cost/cost-model.ts';
import type { BoundGraph } from '../core/graph/bind.ts';
import type { ModelId, PeerId } from '../core/ids.ts';
import { deriveDataflow, taskKey, type Dataflow, type TileTask } from '../core/plan/dataflow.ts';
import { demandsOf } from '../core/plan/explain.ts';
import type { Plan } from '../core/plan/plan.ts';
import { patchPlan } from '../core/plan/patch.ts';
import { levelled, planRequest } from '../core/plan/planner.ts';
import type { Demand } from '../core/program/demand.ts';

export interface PreparedPlan {
  readonly plan: Plan;
  readonly dataflow: Dataflow;
  /** Of a tile. */
  readonly demand: (task: Pick<TileTask, 'block' | 'part'>) => Demand;
  /** On the wire. */
  readonly bytes: number;
  /** Whether it took no time to make. */
  readonly isPatched: boolean;
}

export interface PlanBookOptions {
  readonly bound: BoundGraph;
  readonly modelId: ModelId;
  /** What the planner takes the network for. */
  readonly link: LinkProfile;
  readonly parallelism: number;
}

export class PlanBook {
  readonly options: PlanBookOptions;
  readonly #plans = new Map<string, PreparedPlan[]>();
  #first: PreparedPlan | undefined;

  constructor(options: PlanBookOptions) {
    this.options = options;
  }

  /** The plan that was made first. */
  get first(): PreparedPlan | undefined {
    return this.#first;
  }

  /** @throws MeshError UNAVAILABLE when there is nobody to compute. */
  planFor(peers: readonly PeerProfile[], coordinator: PeerId, isCold: boolean): PreparedPlan {
    const key = JSON.stringify([peers.map(({ peer }) => peer), isCold]);
    const known = this.#plans.get(key) ?? [];
    this.#plans.set(key, known);
    const found =
      known.find(({ plan }) => plan.participants.includes(coordinator)) ?? this.#alike(known, peers, coordinator);
    if (found !== undefined) return found;
    const made = this.#patched(peers) ?? this.#make(peers, coordinator, isCold);
    known.push(made);
    this.#first ??= made;
    return made;
  }

  /**
   * All coordinators of a group make the same plan; and where one peer computes all, its equal does so in the same way.
   * Planning is what takes the time of a simulation.
   */
  #alike(known: readonly PreparedPlan[], peers: readonly PeerProfile[], coordinator: PeerId): PreparedPlan | undefined {
    const [single] = known.filter(({ plan }) => plan.participants.length === 1);
    const of = (peer: PeerId | undefined): PeerProfile | undefined => peers.find((profile) => profile.peer === peer);
    const [own, other] = [of(coordinator), of(single?.plan.participants[0])];
    const isAlike = own?.macsPerSecond === other?.macsPerSecond && own?.memoryBudgetBytes === other?.memoryBudgetBytes;
    return single !== undefined && isAlike
      ? { ...single, plan: { ...single.plan, participants: [coordinator] } }
      : undefined;
  }

  /** After a loss everybody goes on with the first plan, patched; the new plan that is made meanwhile is left out here. */
  #patched(peers: readonly PeerProfile[]): PreparedPlan | undefined {
    const plan = this.#first && patchPlan(this.options.bound, this.#first.plan, levelled(peers));
    return plan && this.#prepared(plan, true);
  }

  #make(peers: readonly PeerProfile[], coordinator: PeerId, isCold: boolean): PreparedPlan {
    const { bound, modelId, link, parallelism } = this.options;
    return this.#prepared(planRequest({ bound, modelId, peers, coordinator, link, parallelism, isCold }), false);
  }

  #prepared(plan: Plan, isPatched: boolean): PreparedPlan {
    const { bound } = this.options;
    const demands = new Map(
      plan.blocks.flatMap((block, index) =>
        demandsOf(bound, block).map((demand, part) => [taskKey(index, part), demand] as const),
      ),
    );
    return {
      plan,
      isPatched,
      dataflow: deriveDataflow(bound, plan),
      demand: ({ block, part }: Pick<TileTask, 'block' | 'part'>) => demands.get(taskKey(block, part))!,
      bytes: JSON.stringify(plan).length,
    };
  }
}
