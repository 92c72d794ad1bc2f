/** Plans as the mesh makes them, kept: the same peers and coordinator get the same plan, with all that follows from it. */
import type { LinkProfile, PeerProfile } from '../core/cost/cost-model.ts';
import type { BoundGraph } from '../core/graph/bind.ts';
import type { ModelId, PeerId } from '../core/ids.ts';
import { deriveDataflow, taskKey, type Dataflow, type TileTask } from '../core/plan/dataflow.ts';
import { demandsOf } from '../core/plan/explain.ts';
import type { Plan } from '../core/plan/plan.ts';
import { levelled, MAX_DEGREE, planRequest } from '../core/plan/planner.ts';
import type { Demand } from '../core/program/demand.ts';

export interface PreparedPlan {
  readonly plan: Plan;
  readonly dataflow: Dataflow;
  /** Of a tile. */
  readonly demand: (task: Pick<TileTask, 'block' | 'part'>) => Demand;
  /** On the wire. */
  readonly bytes: number;
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
  readonly #plans = new Map<string, PreparedPlan>();
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
    const standIn = this.#standInFor(peers, coordinator);
    const prepared = this.#make(peers, standIn, isCold);
    const participants = prepared.plan.participants.map((peer) => (peer === standIn ? coordinator : peer));
    const own = standIn === coordinator ? prepared : { ...prepared, plan: { ...prepared.plan, participants } };
    this.#first ??= own;
    return own;
  }

  /**
   * Those who take part only because they coordinate get the same plan but for their name: one of many equal boards is asked
   * for in the place of any of them, since planning is what takes the time of a simulation.
   */
  #standInFor(peers: readonly PeerProfile[], coordinator: PeerId): PeerId {
    const ranked = levelled(peers);
    const last = Math.max(MAX_DEGREE, this.options.parallelism) - 1;
    const rank = ranked.findIndex(({ peer }) => peer === coordinator);
    const [own, other] = [ranked[rank], ranked[last]];
    const isAlike = own?.macsPerSecond === other?.macsPerSecond && own?.memoryBudgetBytes === other?.memoryBudgetBytes;
    return rank > last && isAlike ? other!.peer : coordinator;
  }

  #make(peers: readonly PeerProfile[], coordinator: PeerId, isCold: boolean): PreparedPlan {
    const key = JSON.stringify([peers.map(({ peer }) => peer), coordinator, isCold]);
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const { bound, modelId, link, parallelism } = this.options;
    const plan = planRequest({ bound, modelId, peers, coordinator, link, parallelism, isCold });
    const demands = new Map(
      plan.blocks.flatMap((block, index) =>
        demandsOf(bound, block).map((demand, part) => [taskKey(index, part), demand] as const),
      ),
    );
    const prepared = {
      plan,
      dataflow: deriveDataflow(bound, plan),
      demand: ({ block, part }: Pick<TileTask, 'block' | 'part'>) => demands.get(taskKey(block, part))!,
      bytes: JSON.stringify(plan).length,
    };
    this.#plans.set(key, prepared);
    return prepared;
  }
}
