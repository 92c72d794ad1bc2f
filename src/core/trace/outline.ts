/** A plan as others show it: its blocks, the tiles with the regions they read and make, and the pieces between peers. */
import { hull, type Region } from '../geometry/region.ts';
import type { BoundGraph } from '../graph/bind.ts';
import type { PeerId } from '../ids.ts';
import { transferBytes, type Dataflow, type Transfer } from '../plan/dataflow.ts';
import { describeCut, type Plan } from '../plan/plan.ts';
import type { DataType } from '../tensor/data-type.ts';

/** One `[start, end)` per axis; null: all of a value whose size is not known before the run. */
export type Box = readonly (readonly [start: number, end: number])[] | null;

/** One tile: who computes it, and what it reads and writes. */
export interface TileOutline {
  /** Index in `participants`. */
  readonly participant: number;
  readonly outputs: Readonly<Record<string, Box>>;
  /** What it reads, of all that comes from outside its block: its own and its halo. */
  readonly inputs: Readonly<Record<string, Box>>;
  readonly predictedMs: number;
}

/** Nodes that are cut together. */
export interface BlockOutline {
  /** Names of the first nodes, in the order of the graph. */
  readonly nodes: readonly string[];
  readonly nodeCount: number;
  /** As `4 stripes of rows`. */
  readonly cut: string;
  readonly axes: readonly number[];
  readonly counts: readonly number[];
  readonly tiles: readonly TileOutline[];
}

/** What one peer hands to another. */
export interface PieceOutline {
  readonly id: number;
  readonly tensor: string;
  readonly region: Box;
  /** Participants; -1 is the entry. */
  readonly from: number;
  readonly to: number;
  /** The block and part that read it; null: the outputs at the entry. */
  readonly reader: readonly [block: number, part: number] | null;
  /** 0 where the size is not known before the run. */
  readonly bytes: number;
}

/** A plan, as people and programs read it. */
export interface PlanOutline {
  readonly participants: readonly PeerId[];
  readonly arithmetic: string;
  readonly predictedMs: number;
  /** Predicted for the best single peer; 0 where none can hold the model. */
  readonly singleMs: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Of what blocks hand on. */
  readonly tensors: Readonly<Record<string, { readonly type: DataType; readonly shape: readonly number[] | null }>>;
  readonly blocks: readonly BlockOutline[];
  readonly pieces: readonly PieceOutline[];
}

/** Names of nodes kept for each block. */
const MAX_NODES = 32;

const boxOf = (region: Region | null): Box => region?.map(({ start, end }) => [start, end] as const) ?? null;

function readOf(needs: readonly Transfer[]): Record<string, Box> {
  const read = new Map<string, Region | null>();
  for (const { tensor, region } of needs) {
    const before = read.get(tensor);
    read.set(tensor, before == null || region === null ? region : hull(before, region));
  }
  return Object.fromEntries([...read].map(([tensor, region]) => [tensor, boxOf(region)]));
}

export function outlinePlan(bound: BoundGraph, plan: Plan, { tasks, outputs }: Dataflow): PlanOutline {
  const names = (values: readonly { readonly name: string }[]): string[] => values.map(({ name }) => name);
  const reads = new Map(tasks.map(({ block, part, needs }) => [`${block}/${part}`, readOf(needs)]));
  const blocks = plan.blocks.map(({ first, last, cut, parts }, block): BlockOutline => {
    const nodes = bound.steps.slice(first, last + 1).map(({ node }) => node.name);
    return {
      nodes: nodes.slice(0, MAX_NODES),
      nodeCount: nodes.length,
      cut: describeCut(cut),
      axes: cut.axes,
      counts: cut.counts,
      tiles: parts.map(({ participant, outputs: made, predictedMs }, part) => ({
        participant,
        outputs: Object.fromEntries(Object.entries(made).map(([tensor, region]) => [tensor, boxOf(region)])),
        inputs: reads.get(`${block}/${part}`) ?? {},
        predictedMs,
      })),
    };
  });
  const crossing = [...tasks.flatMap(({ needs }) => needs), ...outputs].filter(({ from, to }) => from !== to);
  const pieces = crossing.map((transfer): PieceOutline => {
    const { index, tensor, region, from, to, block, part } = transfer;
    const reader = to === -1 ? null : ([block, part] as const);
    return { id: index, tensor, region: boxOf(region), from, to, reader, bytes: transferBytes(bound, transfer) };
  });
  const handedOn = new Set([
    ...names(bound.graph.inputs),
    ...plan.blocks.flatMap(({ parts }) => Object.keys(parts[0]?.outputs ?? {})),
  ]);
  const tensors = [...handedOn].map((name) => {
    return [name, { type: bound.types.get(name) ?? 'float32', shape: bound.shapes.get(name) ?? null }] as const;
  });
  return {
    participants: plan.participants,
    arithmetic: plan.arithmetic,
    predictedMs: plan.predictedMs,
    singleMs: plan.singleMs,
    inputs: names(bound.graph.inputs),
    outputs: names(bound.graph.outputs),
    tensors: Object.fromEntries(tensors),
    blocks,
    pieces,
  };
}
