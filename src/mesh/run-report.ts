/**
 * The account of a finished request. Participants tell the coordinator what their tiles cost, the coordinator tells the entry,
 * and the entry, which has the plan too, writes the report. On the wire a tile is a row of numbers.
 */
import { describe } from '../core/geometry/region.ts';
import type { BoundGraph } from '../core/graph/bind.ts';
import { asPeerId, type PeerId } from '../core/ids.ts';
import { taskKey } from '../core/plan/dataflow.ts';
import { describeCut, type Plan } from '../core/plan/plan.ts';
import type { BlockReport, RunReport } from '../core/report.ts';
import type { TileReport } from './execution.ts';

/** What the coordinator tells the entry of a request that is done. */
export interface CoordinatorAccount {
  /** Number of the attempt that succeeded. */
  readonly attempts: number;
  readonly lostPeers: readonly PeerId[];
  readonly tiles: readonly TileReport[];
}

export interface RunFacts {
  readonly bound: BoundGraph;
  readonly plan: Plan;
  readonly tiles: readonly TileReport[];
}

/** What of a report follows from the plan and what its tiles cost. */
export type RunFigures = Pick<RunReport, 'cut' | 'blocks' | 'bytesPeerToPeer' | 'bytesThroughEntry' | 'predictedMs'>;

export function runFigures(facts: RunFacts): RunFigures {
  const { plan, tiles } = facts;
  const sum = (of: (tile: TileReport) => number): number => tiles.reduce((total, tile) => total + of(tile), 0);
  return {
    cut: summariseCut(plan),
    blocks: blockReports(facts),
    bytesPeerToPeer: sum((tile) => tile.bytesToPeers),
    bytesThroughEntry: sum((tile) => tile.bytesToEntry),
    predictedMs: plan.predictedMs,
  };
}

function blockReports({ bound, plan, tiles }: RunFacts): BlockReport[] {
  const costs = new Map(tiles.map((tile) => [taskKey(tile.block, tile.part), tile]));
  return plan.blocks.map((block, index) => ({
    nodes: bound.steps.slice(block.first, block.last + 1).map((step) => step.node.name),
    cut: describeCut(block.cut),
    parts: block.parts.map((part, position) => {
      const { computeMs = 0, haloBytes = 0 } = costs.get(taskKey(index, position)) ?? {};
      const regions = Object.values(part.outputs).map((region) => (region === null ? 'whole' : describe(region)));
      return { peer: plan.participants[part.participant]!, region: regions.join(' '), computeMs, haloBytes };
    }),
  }));
}

function summariseCut(plan: Plan): string {
  const { blocks, participants } = plan;
  if (participants.length === 1) return 'whole on one peer';
  const cuts = new Set(blocks.map((block) => describeCut(block.cut)));
  return `${blocks.length} block${blocks.length === 1 ? '' : 's'} over ${participants.length} peers: ${[...cuts].join(', ')}`;
}

type Row = readonly number[];

const rowOf = ({ block, part, computeMs, haloBytes, bytesToPeers, bytesToEntry }: TileReport): Row => [
  block,
  part,
  Math.round(computeMs * 1000) / 1000,
  haloBytes,
  bytesToPeers,
  bytesToEntry,
];

const isRow = (value: unknown): value is Row =>
  Array.isArray(value) &&
  value.length === 6 &&
  value.every((own) => typeof own === 'number' && Number.isFinite(own) && own >= 0);

/** The rows that are some; others count as none. */
const tilesOf = (value: unknown): TileReport[] =>
  (Array.isArray(value) ? value.filter(isRow) : []).map(
    ([block, part, computeMs, haloBytes, bytesToPeers, bytesToEntry]) =>
      ({ block, part, computeMs, haloBytes, bytesToPeers, bytesToEntry }) as TileReport,
  );

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

function decode(encoded: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(encoded));
  } catch {
    return undefined;
  }
}

/** A participant's account of its tiles. */
export const encodeTileReports = (tiles: readonly TileReport[]): Uint8Array => encode(tiles.map(rowOf));

/** What is no such account counts as none. */
export const parseTileReports = (encoded: Uint8Array): TileReport[] => tilesOf(decode(encoded));

export const encodeAccount = ({ tiles, ...account }: CoordinatorAccount): Uint8Array =>
  encode({ ...account, tiles: tiles.map(rowOf) });

/** Undefined for what is no account. */
export function parseAccount(encoded: Uint8Array): CoordinatorAccount | undefined {
  const value = decode(encoded);
  if (typeof value !== 'object' || value === null) return undefined;
  const { attempts, lostPeers, tiles } = value as Readonly<Record<string, unknown>>;
  if (!Number.isSafeInteger(attempts) || !Array.isArray(lostPeers)) return undefined;
  const lost = lostPeers.filter((peer) => typeof peer === 'string').map(asPeerId);
  return { attempts: attempts as number, lostPeers: lost, tiles: tilesOf(tiles) };
}
