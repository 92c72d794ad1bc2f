/** How a random operator is added to a graph. */
import type { Attribute } from '../../../src/core/graph/graph.ts';
import type { Draft, Value } from '../draft.ts';

/** Adds the operator to `draft`, reading `value` among others; false where that value is of no use to it. */
export type { Attributes } from '../draft.ts';
export type Maker = (draft: Draft, value: Value) => boolean;

export const isFloat = ({ type }: Value): boolean => type === 'float32';
export const ints = (...value: number[]): Attribute => ({ kind: 'ints', value });
export const int = (value: number): Attribute => ({ kind: 'int', value });
export const float = (value: number): Attribute => ({ kind: 'float', value: Math.fround(value) });
export const text = (value: string): Attribute => ({ kind: 'string', value });

/** Values of the same type and rank as `value`, itself included. */
export const likes = (draft: Draft, value: Value): readonly Value[] =>
  draft.values.filter((other) => other.type === value.type && other.shape.length === value.shape.length);

export const sameShape = (a: Value, b: Value): boolean =>
  a.shape.length === b.shape.length && a.shape.every((extent, axis) => extent === b.shape[axis]);
