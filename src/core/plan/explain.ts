/** A plan in numbers: for each block what is computed, what moves, how long either takes, and what it was chosen before. */
import { overheadsOf, transferMs, type LinkProfile, type PeerProfile, type Traffic } from '../cost/cost-model.ts';
import { hull, type Region } from '../geometry/region.ts';
import type { BoundGraph } from '../graph/bind.ts';
import type { PeerId } from '../ids.ts';
import { demandOf, type Demand } from '../program/demand.ts';
import { ENTRY, deriveDataflow, transferBytes, type Transfer } from './dataflow.ts';
import { describeCut, type Block } from './plan.ts';
import type { PlanChoice } from './planner.ts';
import type { RunnerUp } from './search.ts';

export interface Movement {
  readonly bytes: number;
  readonly messages: number;
  /** Until the slowest participant has what it needs. */
  readonly ms: number;
}

export interface BlockExplanation {
  /** Names of its operators, in the order of execution. */
  readonly nodes: readonly string[];
  readonly cut: string;
  readonly parts: number;
  /** Multiply-accumulates of all parts together. */
  readonly macs: number;
  /** Share of them that is computed more than once because parts overlap. */
  readonly redundancy: number;
  /** Weights that all parts read. */
  readonly weightBytes: number;
  /** The exchange before the block. */
  readonly exchange: Movement;
  /** Of the slowest part. */
  readonly computeMs: number;
  /** The next best layout of what the block hands on; null where none came near. */
  readonly runnerUp: {
    readonly cut: string;
    readonly parts: number;
    /** The operator that its block would begin with. */
    readonly from: string;
    readonly lossMs: number;
  } | null;
}

export interface PlanExplanation {
  readonly participants: readonly PeerId[];
  readonly blocks: readonly BlockExplanation[];
  /** The outputs on their way to the entry. */
  readonly gather: Movement;
  readonly predictedMs: number;
  readonly singleMs: number;
  readonly bytes: number;
  readonly messages: number;
  /** By participant; weights that several of its tiles share are counted for each. */
  readonly weightBytes: readonly number[];
  /** The best plans for other numbers of peers. */
  readonly considered: PlanChoice['considered'];
}

/** What demand each part of a block makes. */
export const demandsOf = (bound: BoundGraph, { first, last, parts }: Block): Demand[] =>
  parts.map(({ outputs }) => demandOf(bound, { first, last }, new Map(Object.entries(outputs))));

const totalOf = <Item>(items: readonly Item[], of: (item: Item) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0);

/** @param profiles of the participants, in their order. */
function movement(
  bound: BoundGraph,
  transfers: readonly Transfer[],
  entry: number,
  profiles: readonly PeerProfile[],
  link: LinkProfile,
): Movement {
  const traffic = new Map<number, { -readonly [Name in keyof Traffic]: Traffic[Name] }>();
  const of = (index: number) => {
    const own = traffic.get(index) ?? { bytesIn: 0, bytesOut: 0, messagesIn: 0, messagesOut: 0 };
    traffic.set(index, own);
    return own;
  };
  const place = (index: number): number => (index === ENTRY ? entry : index);
  const moving = transfers.filter(({ from, to }) => place(from) !== place(to));
  for (const transfer of moving) {
    const bytes = transferBytes(bound, transfer);
    const [from, to] = [of(place(transfer.from)), of(place(transfer.to))];
    from.bytesOut += bytes;
    from.messagesOut += 1;
    to.bytesIn += bytes;
    to.messagesIn += 1;
  }
  const times = [...traffic].map(([index, own]) => transferMs(link, overheadsOf(profiles[index] ?? profiles[0]!), own));
  return {
    bytes: totalOf(moving, (transfer) => transferBytes(bound, transfer)),
    messages: moving.length,
    ms: Math.max(0, ...times),
  };
}

function explainRunnerUp(bound: BoundGraph, runnerUp: RunnerUp | undefined): BlockExplanation['runnerUp'] {
  if (runnerUp === undefined) return null;
  const { cut, parts, first, lossMs } = runnerUp;
  return { cut: describeCut(cut), parts, from: bound.steps[first]!.node.name, lossMs };
}

/** @param peers those that the plan was made for. */
export function explainPlan(
  bound: BoundGraph,
  { plan, runnersUp, considered }: PlanChoice,
  peers: readonly PeerProfile[],
  entry: PeerId,
  link: LinkProfile,
): PlanExplanation {
  const { tasks, outputs } = deriveDataflow(bound, plan);
  const profiles = plan.participants.map((peer) => peers.find((profile) => profile.peer === peer)!);
  const place = plan.participants.indexOf(entry);
  const weightBytes = new Array<number>(plan.participants.length).fill(0);
  const blocks = plan.blocks.map((block, index): BlockExplanation => {
    const demands = demandsOf(bound, block);
    const wholeMacs = totalOf(demandsOf(bound, { ...block, parts: [wholePart(block)] }), ({ macs }) => macs);
    for (const [part, demand] of demands.entries()) weightBytes[block.parts[part]!.participant]! += demand.weightBytes;
    const needs = tasks.filter((task) => task.block === index).flatMap((task) => task.needs);
    const macs = totalOf(demands, (demand) => demand.macs);
    return {
      nodes: bound.steps.slice(block.first, block.last + 1).map(({ node }) => node.name),
      cut: describeCut(block.cut),
      parts: block.parts.length,
      macs,
      redundancy: macs === 0 ? 0 : 1 - wholeMacs / macs,
      weightBytes: totalOf(demands, (demand) => demand.weightBytes),
      exchange: movement(bound, needs, place, profiles, link),
      computeMs: Math.max(...block.parts.map((part) => part.predictedMs)),
      runnerUp: explainRunnerUp(bound, runnersUp[index]),
    };
  });
  const gather = movement(bound, outputs, place, profiles, link);
  const exchanges = [...blocks.map(({ exchange }) => exchange), gather];
  return {
    participants: plan.participants,
    blocks,
    gather,
    predictedMs: plan.predictedMs,
    singleMs: plan.singleMs,
    bytes: totalOf(exchanges, ({ bytes }) => bytes),
    messages: totalOf(exchanges, ({ messages }) => messages),
    weightBytes,
    considered,
  };
}

const hullOf = (a: Region | null, b: Region | null): Region | null => (a === null || b === null ? null : hull(a, b));

/** All parts of a block as one. */
function wholePart({ parts }: Block): Block['parts'][number] {
  const names = Object.keys(parts[0]!.outputs);
  const outputs = names.map((name) => [name, parts.map((part) => part.outputs[name] ?? null).reduce(hullOf)] as const);
  return { participant: 0, predictedMs: 0, outputs: Object.fromEntries(outputs) };
}
