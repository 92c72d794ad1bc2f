/**
 * Who computes what: for each sensible number of participants the best way to cut, and of these the fastest. Running whole on
 * one peer is one of the answers, and is given when cutting does not pay.
 */
import { setupMs, type LinkProfile, type PeerProfile } from '../cost/cost-model.ts';
import { MeshError } from '../errors.ts';
import type { BoundGraph } from '../graph/bind.ts';
import type { ModelId, PeerId } from '../ids.ts';
import { PLAN_SCHEMA, type Plan } from './plan.ts';
import { PlanSearch, type RunnerUp } from './search.ts';

export interface PlanRequest {
  readonly bound: BoundGraph;
  readonly modelId: ModelId;
  /** All who may take part; the coordinator must be among them. */
  readonly peers: readonly PeerProfile[];
  readonly coordinator: PeerId;
  readonly link: LinkProfile;
  /** Number of peers to cut for; 0 lets the planner choose. */
  readonly parallelism: number;
  /** Whether the answer is waited for and nothing is prepared, as after a loss: then the time to prepare counts. */
  readonly isCold?: boolean;
}

/** What a plan was chosen before. */
export interface PlanChoice {
  readonly plan: Plan;
  /** For each block of the plan. */
  readonly runnersUp: readonly (RunnerUp | undefined)[];
  /** The best plans for other numbers of peers to choose from; one peer comes first, where it can hold the model. */
  readonly considered: readonly { readonly peers: number; readonly predictedMs: number }[];
}

/** More participants than this leave parts too thin to be worth anything. */
export const MAX_DEGREE = 32;
/** Shares of the peers to plan for: with fewer participants there are fewer to tell. */
const DEGREE_SHARES = [1 / 4, 1 / 2, 1];
/** Cutting must promise this much to be preferred to running whole, since a prediction is not a measurement. */
const LEAST_GAIN = 1.15;

/** Measured speeds within this factor of each other are taken as equal: a plan must not change with the noise. */
const EQUAL_SPEED = 1.6;
/** Speeds are rounded to powers of this, for the same reason. */
const SPEED_STEP = 1.25;

/** The same peers by speed and then by id, with speeds that noise does not change. Equal views give equal plans. */
export function levelled(peers: readonly PeerProfile[]): PeerProfile[] {
  const bySpeed = [...peers].sort((a, b) => b.macsPerSecond - a.macsPerSecond);
  let fastest = Infinity;
  let level = 0;
  const rounded = bySpeed.map((profile) => {
    if (profile.macsPerSecond * EQUAL_SPEED < fastest) {
      fastest = profile.macsPerSecond;
      level = SPEED_STEP ** Math.round(Math.log(fastest) / Math.log(SPEED_STEP));
    }
    return { ...profile, macsPerSecond: level };
  });
  return rounded.sort((a, b) => b.macsPerSecond - a.macsPerSecond || (a.peer < b.peer ? -1 : 1));
}

/** The fastest `degree` peers, the coordinator among them: what it computes need not travel. */
function participantsFor(peers: readonly PeerProfile[], coordinator: PeerProfile, degree: number): PeerProfile[] {
  const fastest = peers.slice(0, degree);
  if (fastest.includes(coordinator)) return fastest;
  return peers.filter((peer, index) => index < degree - 1 || peer === coordinator);
}

function planFor(
  request: PlanRequest,
  participants: readonly PeerProfile[],
  isFree: boolean,
): Omit<PlanChoice, 'considered'> | undefined {
  const result = new PlanSearch({
    bound: request.bound,
    participants,
    link: request.link,
    isFree,
    isCold: request.isCold ?? false,
  }).run();
  if (result === undefined) return undefined;
  const inputs = request.bound.graph.inputs.map(({ name }) => [
    name,
    { type: request.bound.types.get(name)!, shape: request.bound.shapes.get(name)! },
  ]);
  const plan: Plan = {
    schema: PLAN_SCHEMA,
    modelId: request.modelId,
    inputs: Object.fromEntries(inputs) as Plan['inputs'],
    participants: participants.map((profile) => profile.peer),
    blocks: result.blocks,
    predictedMs: result.predictedMs + setupMs(participants[0]!, participants.length),
    singleMs: 0,
  };
  return { plan, runnersUp: result.runnersUp };
}

/** Only those participants that compute something, renumbered. */
function withoutIdle(plan: Plan): Plan {
  const busy = [...new Set(plan.blocks.flatMap((block) => block.parts.map((part) => part.participant)))].sort(
    (a, b) => a - b,
  );
  const blocks = plan.blocks.map((block) => ({
    ...block,
    parts: block.parts.map((part) => ({ ...part, participant: busy.indexOf(part.participant) })),
  }));
  return { ...plan, blocks, participants: busy.map((index) => plan.participants[index]!) };
}

/** @throws MeshError UNAVAILABLE when there is nobody to compute, or the peers' memory cannot hold the weights. */
export const planRequest = (request: PlanRequest): Plan => choosePlan(request).plan;

/** The same plan with what it was chosen before. @throws MeshError UNAVAILABLE as `planRequest`. */
export function choosePlan(request: PlanRequest): PlanChoice {
  const peers = levelled(request.peers);
  const coordinator = peers.find(({ peer }) => peer === request.coordinator);
  if (coordinator === undefined) {
    throw new MeshError('UNAVAILABLE', 'the coordinator is not among the peers that may compute');
  }
  const isFastest = coordinator.macsPerSecond === peers[0]!.macsPerSecond;
  const single = planFor(request, isFastest ? [coordinator] : [peers[0]!, coordinator], true);
  const wanted = Math.min(request.parallelism, peers.length);
  const most = Math.min(peers.length, MAX_DEGREE);
  const shares = DEGREE_SHARES.map((share) => Math.ceil(most * share));
  const degrees = new Set((request.parallelism === 0 ? shares : [wanted]).filter((degree) => degree > 1));
  const considered = single === undefined ? [] : [{ peers: 1, predictedMs: single.plan.predictedMs }];
  let best = single;
  for (const degree of degrees) {
    const choice = planFor(request, participantsFor(peers, coordinator, degree), request.parallelism === 0);
    if (choice === undefined) continue;
    considered.push({ peers: degree, predictedMs: choice.plan.predictedMs });
    const isForced = request.parallelism !== 0;
    const threshold = best === single ? LEAST_GAIN : 1;
    if (best === undefined || isForced || choice.plan.predictedMs * threshold < best.plan.predictedMs) best = choice;
  }
  if (best === undefined) {
    throw new MeshError(
      'UNAVAILABLE',
      'the weights of the model exceed the memory of these peers: allow them more, or add peers',
    );
  }
  return { ...best, plan: withoutIdle({ ...best.plan, singleMs: single?.plan.predictedMs ?? 0 }), considered };
}
