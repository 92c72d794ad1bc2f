/**
 * Who computes what: for each sensible number of participants the best way to cut, and of these the fastest. Running whole on
 * one peer is one of the answers, and is given when cutting does not pay.
 */
import { setupMs, type LinkProfile, type PeerProfile } from '../cost/cost-model.ts';
import { MeshError } from '../errors.ts';
import type { BoundGraph } from '../graph/bind.ts';
import type { ModelId, PeerId } from '../ids.ts';
import { candidateCuts } from './partition.ts';
import { PLAN_SCHEMA, type Plan } from './plan.ts';
import { PlanSearch } from './search.ts';

export interface PlanRequest {
  readonly bound: BoundGraph;
  readonly modelId: ModelId;
  /** All who may take part; the coordinator must be among them. */
  readonly peers: readonly PeerProfile[];
  readonly coordinator: PeerId;
  readonly link: LinkProfile;
  /** Number of peers to cut for; 0 lets the planner choose. */
  readonly parallelism: number;
}

/** More cuts than this along one axis leave parts too thin to be worth anything. */
const DEGREES = [2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32];
/** Cutting must promise this much to be preferred to running whole, since a prediction is not a measurement. */
const LEAST_GAIN = 1.15;

/** The coordinator first, then the fastest; ties by id, so that equal views give equal plans. */
function ranked(peers: readonly PeerProfile[], coordinator: PeerId): PeerProfile[] {
  return [...peers].sort(
    (a, b) =>
      Number(b.peer === coordinator) - Number(a.peer === coordinator) ||
      b.macsPerSecond - a.macsPerSecond ||
      (a.peer < b.peer ? -1 : 1),
  );
}

function planFor(request: PlanRequest, participants: readonly PeerProfile[], canRunWhole: boolean): Plan | undefined {
  const result = new PlanSearch({
    bound: request.bound,
    participants,
    coordinator: 0,
    link: request.link,
    cuts: participants.length > 1 ? candidateCuts(participants.length) : [],
    canRunWhole,
  }).run();
  if (result === undefined) return undefined;
  const inputs = request.bound.graph.inputs.map(({ name }) => [
    name,
    { type: request.bound.types.get(name)!, shape: request.bound.shapes.get(name)! },
  ]);
  return {
    schema: PLAN_SCHEMA,
    modelId: request.modelId,
    inputs: Object.fromEntries(inputs) as Plan['inputs'],
    participants: participants.map((profile) => profile.peer),
    blocks: result.blocks,
    predictedMs: result.predictedMs + setupMs(participants.length),
    singleMs: 0,
  };
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

/** @throws MeshError UNAVAILABLE when there is nobody to compute. */
export function planRequest(request: PlanRequest): Plan {
  const peers = ranked(request.peers, request.coordinator);
  if (peers[0]?.peer !== request.coordinator) {
    throw new MeshError('UNAVAILABLE', 'the coordinator is not among the peers that may compute');
  }
  const fastest = peers.reduce((best, peer) => (peer.macsPerSecond > best.macsPerSecond * LEAST_GAIN ? peer : best));
  const single = planFor(request, fastest === peers[0] ? [fastest] : [peers[0], fastest], true);
  if (single === undefined) throw new MeshError('INTERNAL', 'the graph has no plan even on one peer');
  const wanted = Math.min(request.parallelism, peers.length);
  const degrees =
    request.parallelism === 0 ? DEGREES.filter((degree) => degree <= peers.length) : wanted > 1 ? [wanted] : [];
  let best = single;
  for (const degree of degrees) {
    const plan = planFor(request, peers.slice(0, degree), request.parallelism === 0);
    if (plan === undefined) continue;
    const isForced = request.parallelism !== 0;
    const threshold = best === single ? LEAST_GAIN : 1;
    if (isForced || plan.predictedMs * threshold < best.predictedMs) best = plan;
  }
  return withoutIdle({ ...best, singleMs: single.predictedMs });
}
