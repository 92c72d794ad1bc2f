/** What a person or a program gets back: JSON, one shape per kind of task. */
import type { DataType } from '../../src/core/tensor/data-type.ts';
import { elementCount, numberValues, type Shape, type Tensor } from '../../src/core/tensor/tensor.ts';

/** One class and how probable it is. */
export interface ClassScore {
  readonly index: number;
  /** Absent where the classes have no names. */
  readonly label?: string;
  readonly probability: number;
}

/** A point of the picture in pixels, [x, y] from the top left corner, after the picture was turned upright. */
export type Point = readonly [x: number, y: number];

/** Where text stands in a picture. */
export interface TextBox {
  /** Four corners, clockwise from the top left. */
  readonly points: readonly [Point, Point, Point, Point];
  readonly score: number;
}

/** Sides in pixels of the picture, after it was turned upright. */
export interface DetectedObject {
  readonly label: string;
  readonly score: number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Sides and points in pixels of the picture, after it was turned upright. */
export interface DetectedFace extends Omit<DetectedObject, 'label'> {
  readonly points: readonly { readonly name: string; readonly x: number; readonly y: number }[];
}

/** A line of text that was read. */
export interface TextLine {
  readonly text: string;
  /** Mean probability of the characters; 0 for no text at all. */
  readonly confidence: number;
  /** Where it stands; absent where the picture was that line alone. */
  readonly points?: TextBox['points'];
}

/** The beginning of an output, for people. */
export interface TensorSummary {
  readonly name: string;
  readonly type: DataType;
  readonly shape: Shape;
  /** The first elements, row-major; all of them when `isComplete`. Null stands for NaN and infinities. */
  readonly values: readonly (number | null)[];
  readonly isComplete: boolean;
}

/** By kind of task. */
export type Answer =
  | { readonly kind: 'classes'; readonly top: readonly ClassScore[] }
  | { readonly kind: 'boxes'; readonly boxes: readonly TextBox[] }
  | { readonly kind: 'objects'; readonly objects: readonly DetectedObject[] }
  | { readonly kind: 'faces'; readonly faces: readonly DetectedFace[] }
  | { readonly kind: 'text'; readonly lines: readonly TextLine[] }
  /** The values that follow the series, the nearest first. */
  | { readonly kind: 'forecast'; readonly values: readonly number[] }
  | { readonly kind: 'tensors'; readonly tensors: readonly TensorSummary[] };

/** Elements of a tensor that an answer shows; whole tensors are for files and the tensor protocol. */
export const VALUES_SHOWN = 64;

export function summarise(name: string, tensor: Tensor): TensorSummary {
  const isNumeric = !['string', 'bfloat16'].includes(tensor.type);
  const count = elementCount(tensor.shape);
  const shown = isNumeric ? Math.min(count, VALUES_SHOWN) : 0;
  const size = count === 0 ? 0 : tensor.bytes.byteLength / count;
  const head = { type: tensor.type, shape: [shown], bytes: tensor.bytes.subarray(0, shown * size) };
  return {
    name,
    type: tensor.type,
    shape: tensor.shape,
    values: shown === 0 ? [] : numberValues(head).map((value) => (Number.isFinite(value) ? value : null)),
    isComplete: shown === count,
  };
}
