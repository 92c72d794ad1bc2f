/** What cases are drawn from. */
import { ints } from '../programs.ts';
import { float32Values, fromFloat32, fromInt64, type Tensor } from '../../../../src/core/tensor/tensor.ts';
import type { Attribute } from '../../../../src/core/graph/graph.ts';
import fc, { type Arbitrary } from 'fast-check';

export interface OperatorCase {
  readonly op: string;
  readonly domain?: string;
  readonly label?: string;
  readonly inputs: readonly Tensor[];
  /** Further inputs, which the program carries. */
  readonly constants?: readonly Tensor[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly opset?: number;
}

export type Case = Omit<OperatorCase, 'op'>;
export type Cases = Arbitrary<Case>;

export const extent = (max: number, min = 1): Arbitrary<number> => fc.integer({ min, max });
export const seed = fc.nat(1e6);
export const shape = fc.array(extent(5), { minLength: 1, maxLength: 4 });

/** The same, away from zero and above it. */
export const positive = (source: Tensor): Tensor =>
  fromFloat32(
    source.shape,
    float32Values(source).map((value) => Math.abs(value) + 0.1),
  );

export const featureMap = fc.record({ shape: fc.tuple(extent(2), extent(4), extent(5), extent(5)), seed });

/** Axes as an attribute in older operator sets, as an input in newer ones. */
export const withAxes = (
  axes: readonly number[],
  opset: number,
  firstWithInput: number,
): Pick<Case, 'constants' | 'attributes'> =>
  opset < firstWithInput ? { attributes: { axes: ints(axes) } } : { constants: [fromInt64([axes.length], axes)] };
