/**
 * Who computes what: for each sensible number of participants the best way to cut, and of these the fastest while all requests
 * under way are served alike. Running whole on one peer is one of the answers, and is given when cutting does not pay.
 */
import { setupMs, type LinkProfile, type PeerProfile } from '../cost/cost-model.ts';
import { MeshError } from '../errors.ts';
import type { BoundGraph } from '../graph/bind.ts';
import type { ModelId, PeerId } from '../ids.ts';
import { byteLength } from '../tensor/tensor.ts';
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
  /** Requests under way in the mesh, this one included; 1 unless told. The more there are, the fewer peers each gets. */
  readonly concurrency?: number;
}

/** What a plan was chosen before. */
export interface PlanChoice {
  readonly plan: Plan;
  /** For each block of the plan. */
  readonly runnersUp: readonly (RunnerUp | undefined)[];
  /** The best plans for other numbers of peers to choose from; one peer comes first, where it can hold the model. */
  readonly considered: readonly { readonly peers: number; readonly predictedMs: number }[];
}

/** A plan, and for each of its blocks what it was chosen before. */
type Choice = Omit<PlanChoice, 'considered'>;

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

/**
 * The peers that a coordinator cuts for: the mesh is dealt into groups of about `degree`, each with its share of fast peers,
 * and a coordinator works with its own group. So all coordinators of a group make the same plan, whose programs and weights
 * are in place already, and requests of different groups do not meet.
 */
function groupOf(peers: readonly PeerProfile[], coordinator: PeerProfile, degree: number): PeerProfile[] {
  const groups = Math.max(1, Math.floor(peers.length / degree));
  const own = peers.indexOf(coordinator) % groups;
  return peers.filter((_, index) => index % groups === own).slice(0, degree);
}

/** A coordinator that is slow leaves what is not cut to one of the fastest peers, each to another. */
function soloist(peers: readonly PeerProfile[], coordinator: PeerProfile): PeerProfile {
  const fastest = peers.filter(({ macsPerSecond }) => macsPerSecond === peers[0]!.macsPerSecond);
  return fastest.includes(coordinator) ? coordinator : fastest[peers.indexOf(coordinator) % fastest.length]!;
}

/** Where weights do not fit as they come, plans that keep fewer of them per peer are looked for, in so many steps. */
const THRIFT_STEPS = [0, 0.25, 1, 4];

/** @param isFree whether fewer parts than participants will do. Undefined where the weights do not fit. */
function planFor(request: PlanRequest, participants: readonly PeerProfile[], isFree: boolean): Choice | undefined {
  const { bound, link, isCold = false } = request;
  for (const thrift of THRIFT_STEPS) {
    const result = new PlanSearch({ bound, participants, link, isFree, isCold, thrift }).run();
    if (result === undefined) continue;
    const inputs = bound.graph.inputs.map(({ name }) => [
      name,
      { type: bound.types.get(name)!, shape: bound.shapes.get(name)! },
    ]);
    const plan: Plan = {
      schema: PLAN_SCHEMA,
      modelId: request.modelId,
      inputs: Object.fromEntries(inputs) as Plan['inputs'],
      arithmetic: bound.arithmetic,
      ...(bound.arithmetic === 'fast' ? { filtered: bound.filtered } : {}),
      participants: participants.map((profile) => profile.peer),
      blocks: result.blocks,
      predictedMs: result.predictedMs + setupMs(participants[0]!, participants.length),
      singleMs: 0,
    };
    return { plan, runnersUp: result.runnersUp };
  }
  return undefined;
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

/** One way of answering, and how long it takes while all requests under way are answered in the same way. */
interface Offer extends Choice {
  readonly sharedMs: number;
}

/** With more requests under way than there are groups of this size, each group works on several. */
const sharedMs = (plan: Plan, degree: number, peers: number, concurrency: number): number =>
  plan.predictedMs * Math.max(1, (concurrency * degree) / peers);

/** Numbers of participants to look at. */
function degreesFor({ parallelism, concurrency = 1 }: PlanRequest, peers: number): number[] {
  if (parallelism !== 0) return [Math.min(parallelism, peers)].filter((degree) => degree > 1);
  const most = Math.min(peers, MAX_DEGREE);
  const shares = DEGREE_SHARES.map((share) => Math.ceil(most * share));
  const own = Math.min(most, Math.floor(peers / concurrency));
  return [...new Set([...shares, own, 2 * own])].filter((degree) => degree > 1 && degree <= most);
}

/** @throws MeshError UNAVAILABLE when there is nobody to compute, or the weights fit nowhere. */
export const planRequest = (request: PlanRequest): Plan => choosePlan(request).plan;

/** The same plan with what it was chosen before. @throws MeshError UNAVAILABLE as `planRequest`. */
export function choosePlan(request: PlanRequest): PlanChoice {
  const peers = levelled(request.peers);
  const { concurrency = 1, parallelism } = request;
  const coordinator = peers.find(({ peer }) => peer === request.coordinator);
  if (coordinator === undefined) {
    throw new MeshError('UNAVAILABLE', 'the coordinator is not among the peers that may compute');
  }
  const solo = soloist(peers, coordinator);
  const single = planFor(request, [solo], true);
  const singleMs = single?.plan.predictedMs ?? 0;
  const isForced = parallelism !== 0;
  const offer = (choice: Choice, degree: number): Offer => ({
    ...choice,
    sharedMs: sharedMs(choice.plan, degree, peers.length, concurrency),
  });
  const considered = single === undefined ? [] : [{ peers: 1, predictedMs: single.plan.predictedMs }];
  let best = single && offer(single, 1);
  for (const degree of degreesFor(request, peers.length)) {
    const group = groupOf(peers, coordinator, degree);
    const choice = planFor(request, group, !isForced);
    if (choice === undefined) continue;
    considered.push({ peers: group.length, predictedMs: choice.plan.predictedMs });
    const other = offer(choice, group.length);
    const threshold = best?.plan === single?.plan ? LEAST_GAIN : 1;
    if (isForced || best === undefined || other.sharedMs * threshold < best.sharedMs) best = other;
  }
  if (best === undefined) throw tooLarge(request);
  const { plan, runnersUp } = best;
  return { plan: withoutIdle({ ...plan, singleMs }), runnersUp, considered };
}

function tooLarge({ bound, peers }: PlanRequest): MeshError {
  const weights = [...bound.graph.weights.values()].reduce((sum, own) => sum + byteLength(own.type, own.shape), 0);
  const most = Math.max(...peers.map(({ memoryBudgetBytes }) => memoryBudgetBytes));
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
  return new MeshError(
    'UNAVAILABLE',
    `the weights of this model take ${megabytes(weights)} and do not fit ${peers.length} peers of at most ${megabytes(most)} each: ` +
      'add peers, or raise memory.budgetBytes',
  );
}
