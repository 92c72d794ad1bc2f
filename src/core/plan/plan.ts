/** A plan as plain data: who computes which region of which boundary tensor. It can be printed, compared and replayed. */
import type { Arithmetic, InputSpec } from '../graph/bind.ts';
import type { Region } from '../geometry/region.ts';
import type { ModelId, PeerId } from '../ids.ts';

/** How the outputs of a block are cut: along one axis, along two, or not at all (no axes). */
export interface Cut {
  readonly axes: readonly number[];
  /** Number of parts along each of the axes. */
  readonly counts: readonly number[];
}

export interface Part {
  /** Index in the plan's `participants`. */
  readonly participant: number;
  /** Region of each output of the block; null: all of it, of a size not known before the run. */
  readonly outputs: Readonly<Record<string, Region | null>>;
  readonly predictedMs: number;
}

export interface Block {
  /** Steps of the bound graph, both included. */
  readonly first: number;
  readonly last: number;
  readonly cut: Cut;
  /** Disjoint, and together the whole of each output. */
  readonly parts: readonly Part[];
}

export const PLAN_SCHEMA = 'tilemesh.plan/1';

export interface Plan {
  readonly schema: typeof PLAN_SCHEMA;
  readonly modelId: ModelId;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /** The same for all participants, so that tiles fit together whoever computes them. */
  readonly arithmetic: Arithmetic;
  /** In `fast`: the convolutions by minimal filtering, by the names of their results in the model. */
  readonly filtered?: readonly string[];
  /** The coordinator is among them only if it computes. */
  readonly participants: readonly PeerId[];
  /** Cover all steps, in order. */
  readonly blocks: readonly Block[];
  readonly predictedMs: number;
  /** Predicted for the best single peer; 0 where none can hold the model. */
  readonly singleMs: number;
}

const AXIS_NAMES = ['batch', 'channels', 'rows', 'columns', 'depth'];

/** `4 stripes of rows`, `2x2 grid`, `7x3 parts of rows and channels`, `whole`. */
export function describeCut(cut: Cut): string {
  const [axis, second] = cut.axes;
  if (axis === undefined) return 'whole';
  if (axis === 2 && second === 3) return `${cut.counts.join('x')} grid`;
  if (second !== undefined) return `${cut.counts.join('x')} parts of ${AXIS_NAMES[axis]} and ${AXIS_NAMES[second]}`;
  const name = AXIS_NAMES[axis] ?? `axis ${axis}`;
  return axis === 2 ? `${cut.counts[0]!} stripes of rows` : `${cut.counts[0]!} parts of ${name}`;
}
