/** Boxes that a network draws around things, and where they lie in the picture that it was given. */
import type { Point } from './answer.ts';
import type { Placement } from './image.ts';

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Intersection over union. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Box): number => (box.right - box.left) * (box.bottom - box.top);
  return (width * height) / (area(a) + area(b) - width * height);
}

/** The placement of a picture that is the network's input as it is. */
export const inPlace = ({ width, height }: { readonly width: number; readonly height: number }): Placement => ({
  pictureWidth: width,
  pictureHeight: height,
  scaleX: 1,
  scaleY: 1,
  offsetX: 0,
  offsetY: 0,
});

const clamp = (value: number, most: number): number => Math.min(most, Math.max(0, Math.round(value)));

/** From pixels of the network's input to the nearest of the picture. */
export const pointInPicture = (at: Placement, [x, y]: Point): Point => [
  clamp((x - at.offsetX) / at.scaleX, at.pictureWidth),
  clamp((y - at.offsetY) / at.scaleY, at.pictureHeight),
];

export function boxInPicture(at: Placement, box: Box): Box {
  const [left, top] = pointInPicture(at, [box.left, box.top]);
  const [right, bottom] = pointInPicture(at, [box.right, box.bottom]);
  return { left, top, right, bottom };
}
