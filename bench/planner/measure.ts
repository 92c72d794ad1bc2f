/** `planner`: how long planning takes, for meshes of several sizes and each network that comes with tilemesh. */
import { setImmediate } from 'node:timers/promises';
import { ZOO, type ZooName } from '../../models/zoo/index.ts';
import { verifyInputs } from '../../src/cli/verify-inputs.ts';
import { GIGABIT, type PeerProfile } from '../../src/core/cost/cost-model.ts';
import { toMeshError } from '../../src/core/errors.ts';
import { bindGraph, type BoundGraph } from '../../src/core/graph/bind.ts';
import { asPeerId, type ModelId } from '../../src/core/ids.ts';
import { planRequest } from '../../src/core/plan/planner.ts';
import type { BenchContext } from '../context.ts';
import { describeMachine, watchLoad, type Load, type Machine } from '../measure/machine.ts';
import { median } from '../measure/statistics.ts';

export interface PlannerOptions {
  /** Names of networks; none: all of them. */
  readonly model: readonly ZooName[];
  /** Sizes of meshes. */
  readonly peers: readonly number[];
  /** Plans of each. */
  readonly runs: number;
  /** Multiply-accumulates per second of every peer. */
  readonly macsPerSecond: number;
  /** `name=1,3,640,640` for each input whose size the network leaves open; others get a small one. */
  readonly shape: readonly string[];
}

export interface PlanTime {
  readonly model: ZooName;
  readonly peers: number;
  /** Operators to run. */
  readonly steps: number;
  readonly firstMs: number;
  readonly medianMs: number;
  readonly participants: number;
  readonly blocks: number;
  readonly predictedMs: number;
  /** Predicted for one peer alone. */
  readonly singleMs: number;
}

export interface PlannerResult {
  readonly schema: 'tilemesh.bench.planner/1';
  readonly machine: Machine;
  readonly setting: PlannerOptions;
  readonly plans: readonly PlanTime[];
  /** Networks that are not installed here, with the reason. */
  readonly left: readonly { readonly model: ZooName; readonly reason: string }[];
  readonly load: Load;
}

const SEED = 1;
const MODEL_ID = '0'.repeat(64) as ModelId;

const profiles = (count: number, macsPerSecond: number): PeerProfile[] =>
  Array.from({ length: count }, (_, index) => ({
    peer: asPeerId(`peer-${String(index).padStart(4, '0')}`),
    macsPerSecond,
    memoryBudgetBytes: 2 ** 30,
  }));

async function bind(model: ZooName, shape: readonly string[]): Promise<BoundGraph> {
  const { graph } = await ZOO[model].open();
  const own = shape.filter((text) => graph.inputs.some(({ name }) => text.startsWith(`${name}=`)));
  const { inputs } = await verifyInputs(graph, { shape: own, seed: SEED });
  return bindGraph(graph, inputs);
}

function timePlans(model: ZooName, bound: BoundGraph, count: number, options: PlannerOptions): PlanTime {
  const peers = profiles(count, options.macsPerSecond);
  const request = { bound, modelId: MODEL_ID, peers, coordinator: peers[0]!.peer, link: GIGABIT, parallelism: 0 };
  const times: number[] = [];
  let plan;
  do {
    const startedMs = performance.now();
    plan = planRequest(request);
    times.push(performance.now() - startedMs);
  } while (times.length < options.runs);
  return {
    model,
    peers: count,
    steps: bound.steps.length,
    firstMs: times[0]!,
    medianMs: median(times),
    participants: plan.participants.length,
    blocks: plan.blocks.length,
    predictedMs: plan.predictedMs,
    singleMs: plan.singleMs,
  };
}

export async function measurePlanner(options: PlannerOptions, context: BenchContext): Promise<PlannerResult> {
  const { signal, progress } = context;
  const models = options.model.length > 0 ? options.model : (Object.keys(ZOO) as ZooName[]);
  const loadSince = await watchLoad();
  const plans: PlanTime[] = [];
  const left: PlannerResult['left'][number][] = [];
  for (const model of models) {
    try {
      const bound = await bind(model, options.shape);
      for (const count of options.peers) {
        progress(`planning ${model} for ${count} peers`);
        // Planning blocks the thread; an interruption is heard in between.
        await setImmediate();
        signal.throwIfAborted();
        plans.push(timePlans(model, bound, count, options));
      }
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = toMeshError(error);
      if (code !== 'NOT_FOUND') throw error;
      left.push({ model, reason: message });
    }
  }
  return {
    schema: 'tilemesh.bench.planner/1',
    machine: describeMachine(),
    setting: options,
    plans,
    left,
    load: await loadSince(),
  };
}
