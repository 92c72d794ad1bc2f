/**
 * What a plan means for each participant: which tiles it runs, which pieces it waits for and from whom, which pieces it
 * sends and to whom. Every participant derives the same dataflow from the same plan, so none of it crosses the wire.
 */
import { MeshError } from '../errors.ts';
import { intersect, isEmpty, regionShape, wholeRegion, type Region } from '../geometry/region.ts';
import { isConstant, type BoundGraph } from '../graph/bind.ts';
import { compileTile, programScope } from '../program/compile.ts';
import { demandOf } from '../program/demand.ts';
import type { Tile } from '../program/program.ts';
import { byteLength } from '../tensor/tensor.ts';
import type { Plan } from './plan.ts';

/** Stands for the entry, as holder of the inputs and as reader of the outputs. */
export const ENTRY = -1;
/** The block number of pieces on their way to the entry. */
export const ASSEMBLY_BLOCK = 0xffffffff;

/** A region that somebody holds and somebody else needs. Null regions: a whole value of unknown size. */
export interface Transfer {
  /** Counts all transfers of the plan, those that stay where they are included. */
  readonly index: number;
  readonly tensor: string;
  readonly region: Region | null;
  /** Participant index, or ENTRY. */
  readonly from: number;
  readonly to: number;
  /** The block and part that read it. */
  readonly block: number;
  readonly part: number;
}

/** One tile to run. */
export interface TileTask {
  readonly block: number;
  readonly part: number;
  readonly participant: number;
  /** Compiled when it is first asked for. */
  readonly tile: Tile;
  /** What must arrive before it can run, what comes from the same participant included. */
  readonly needs: readonly Transfer[];
}

export interface Dataflow {
  readonly tasks: readonly TileTask[];
  /** By block and part of the producer (`taskKey`); the inputs under ENTRY_KEY. */
  readonly sends: ReadonlyMap<string, readonly Transfer[]>;
  /** What the entry waits for. */
  readonly outputs: readonly Transfer[];
}

/** Bytes on the wire; none where the size is not known before the run. */
export const transferBytes = (bound: BoundGraph, { tensor, region }: Transfer): number => {
  const shape = region === null ? (bound.shapes.get(tensor) ?? [0]) : regionShape(region);
  return byteLength(bound.types.get(tensor) ?? 'float32', shape);
};

export const taskKey = (block: number, part: number): string => `${block}/${part}`;
export const ENTRY_KEY = 'entry';

interface Holding {
  readonly from: number;
  readonly key: string;
  readonly region: Region | null;
}

function holdings(bound: BoundGraph, plan: Plan): Map<string, Holding[]> {
  const held = new Map<string, Holding[]>();
  for (const { name } of bound.graph.inputs) {
    const shape = bound.shapes.get(name)!;
    held.set(name, [{ from: ENTRY, key: ENTRY_KEY, region: wholeRegion(shape) }]);
  }
  for (const [block, { parts }] of plan.blocks.entries()) {
    for (const [part, { participant, outputs }] of parts.entries()) {
      for (const [name, region] of Object.entries(outputs)) {
        const list = held.get(name) ?? [];
        list.push({ from: participant, key: taskKey(block, part), region });
        held.set(name, list);
      }
    }
  }
  return held;
}

/** @throws MeshError INVALID_MESSAGE when the plan does not fit the graph. */
export function deriveDataflow(bound: BoundGraph, plan: Plan): Dataflow {
  const held = holdings(bound, plan);
  const sends = new Map<string, Transfer[]>();
  let count = 0;
  const transfersOf = (
    tensor: string,
    needed: Region | null,
    reader: Omit<Transfer, 'index' | 'tensor' | 'region' | 'from'>,
  ) => {
    const holders = held.get(tensor);
    if (holders === undefined) {
      throw new MeshError('INVALID_MESSAGE', `the plan needs "${tensor}" before any of its blocks makes it`);
    }
    return holders.flatMap(({ from, key, region: own }): Transfer[] => {
      const region = own === null || needed === null ? null : intersect(own, needed);
      if (region !== null && isEmpty(region)) return [];
      const transfer = { index: count++, tensor, region, from, ...reader };
      const list = sends.get(key) ?? [];
      list.push(transfer);
      sends.set(key, list);
      return [transfer];
    });
  };

  const tasks = plan.blocks.flatMap(({ first, last, parts }, block) =>
    parts.map(({ participant, outputs }, part): TileTask => {
      const wanted = new Map(Object.entries(outputs));
      const demand = demandOf(bound, { first, last }, wanted);
      const needs = [...demand.feeds].flatMap(([tensor, region]) =>
        transfersOf(tensor, region, { to: participant, block, part }),
      );
      let tile: Tile | undefined;
      return {
        block,
        part,
        participant,
        needs,
        // Nobody compiles the tiles of others.
        get tile() {
          tile ??= compileTile(bound, { first, last }, wanted, programScope(plan.modelId));
          return tile;
        },
      };
    }),
  );
  const outputs = bound.graph.outputs
    .filter(({ name }) => !isConstant(bound, name))
    .flatMap(({ name }) => {
      const shape = bound.shapes.get(name);
      const reader = { to: ENTRY, block: ASSEMBLY_BLOCK, part: 0 };
      return transfersOf(name, shape === undefined ? null : wholeRegion(shape), reader);
    });
  return { tasks, sends, outputs };
}
