/** The account of a finished request, from its plan and what the participants reported. */
import { describe } from '../core/geometry/region.ts';
import { describeCut, type Plan } from '../core/plan/plan.ts';
import type { PeerId } from '../core/ids.ts';
import type { BoundGraph } from '../core/graph/bind.ts';
import type { BlockReport, RunReport } from '../core/report.ts';
import type { TileReport } from './execution.ts';

export interface RunFacts {
  readonly bound: BoundGraph;
  readonly plan: Plan;
  readonly tiles: readonly TileReport[];
}

/** What of a report the coordinator knows; the entry adds the rest, what it sent itself included. */
export type CoordinatorReport = Pick<
  RunReport,
  'attempts' | 'cut' | 'blocks' | 'bytesPeerToPeer' | 'bytesThroughEntry' | 'predictedMs' | 'lostPeers'
>;

/** @param lostPeers peers lost while this coordinator had the request. */
export function coordinatorReport(facts: RunFacts, attempts: number, lostPeers: readonly PeerId[]): CoordinatorReport {
  const { plan, tiles } = facts;
  const sum = (of: (tile: TileReport) => number): number => tiles.reduce((total, tile) => total + of(tile), 0);
  return {
    attempts,
    cut: summariseCut(plan),
    blocks: blockReports(facts),
    bytesPeerToPeer: sum((tile) => tile.bytesToPeers),
    bytesThroughEntry: sum((tile) => tile.bytesToEntry),
    predictedMs: plan.predictedMs,
    lostPeers,
  };
}

function blockReports({ bound, plan, tiles }: RunFacts): BlockReport[] {
  return plan.blocks.map((block, index) => ({
    nodes: bound.steps.slice(block.first, block.last + 1).map((step) => step.node.name),
    cut: describeCut(block.cut),
    parts: block.parts.map((part, position) => {
      const peer = plan.participants[part.participant]!;
      const tile = tiles.find((own) => own.block === index && own.part === position);
      const regions = Object.values(part.outputs).map((region) => (region === null ? 'whole' : describe(region)));
      return {
        peer,
        region: regions.join(' '),
        computeMs: tile?.computeMs ?? 0,
        haloBytes: tile?.haloBytes ?? 0,
      };
    }),
  }));
}

function summariseCut(plan: Plan): string {
  const { blocks, participants } = plan;
  if (participants.length === 1) return 'whole on one peer';
  const cuts = new Set(blocks.map((block) => describeCut(block.cut)));
  return `${blocks.length} blocks over ${participants.length} peers: ${[...cuts].join(', ')}`;
}

const isCount = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0;

/** A participant's account of its tiles; what is no such account counts as none. */
export function parseTileReports(encoded: Uint8Array): TileReport[] {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(encoded));
    if (!Array.isArray(value)) return [];
    return (value as TileReport[]).filter((tile) =>
      [tile.block, tile.part, tile.computeMs, tile.haloBytes, tile.bytesToPeers, tile.bytesToEntry].every(isCount),
    );
  } catch {
    return [];
  }
}

/** A decoded report from the coordinator, checked for shape; undefined when it is not one. */
export function parseCoordinatorReport(encoded: Uint8Array): CoordinatorReport | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(encoded));
    const isReport = typeof value === 'object' && value !== null && 'attempts' in value && 'blocks' in value;
    return isReport ? (value as CoordinatorReport) : undefined;
  } catch {
    return undefined;
  }
}
