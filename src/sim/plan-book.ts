/** Plans as the mesh makes them, kept: the same peers and coordinator get the same plan, with all that follows from it. */
import type { LinkProfile, PeerProfile } from '../core/cost/cost-model.ts';
import type { BoundGraph } from '../core/graph/bind.ts';
import type { ModelId, PeerId } from '../core/ids.ts';
import { deriveDataflow, taskKey, type Dataflow, type TileTask } from '../core/plan/dataflow.ts';
import { demandsOf } from '../core/plan/explain.ts';
import type { Plan } from '../core/plan/plan.ts';
import { planRequest } from '../core/plan/planner.ts';
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

  constructor(options: PlanBookOptions) {
    this.options = options;
  }

  /** @throws MeshError UNAVAILABLE when there is nobody to compute. */
  planFor(peers: readonly PeerProfile[], coordinator: PeerId, isCold: boolean): PreparedPlan {
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
