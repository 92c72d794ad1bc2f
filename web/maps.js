/**
 * The feature maps of a plan as boxes: for each block what its tiles make, what they read, and which of that comes from other
 * peers, the halos. Boxes are `[start, end)` per axis, as the plan has them; where a box is drawn is worked out by `place`.
 */

/**
 * @typedef {readonly (readonly [number, number])[] | null} Box null: all
 * @typedef {{ part: number, participant: number, box: Box }} Tile
 * @typedef {{ part: number, from: number, to: number, bytes: number, box: Box }} Piece
 * @typedef {{ tensor: string, shape: readonly number[], axes: readonly number[], tiles: Tile[] }} FeatureMap
 * @typedef {{ to: number, box: Box }} Halo
 * @typedef {FeatureMap & { isInput: boolean, reads: Tile[], pieces: Piece[], halos: Halo[] }} ReadMap
 * @typedef {{ x: number, y: number, width: number, height: number }} Rect
 */

const sizeOf = (shape) => (shape ?? []).reduce((product, extent) => product * extent, 1);

/** Of several values the largest is drawn. */
function largestOf(names, tensors) {
  return [...names].sort((a, b) => sizeOf(tensors[b]?.shape) - sizeOf(tensors[a]?.shape))[0] ?? '';
}

/** @returns {FeatureMap} what a block makes */
export function madeBy(plan, block) {
  const { tiles, axes } = plan.blocks[block];
  const tensor = largestOf(Object.keys(tiles[0]?.outputs ?? {}), plan.tensors);
  return {
    tensor,
    shape: plan.tensors[tensor]?.shape ?? [],
    axes,
    tiles: tiles.map(({ participant, outputs }, part) => ({ part, participant, box: outputs[tensor] ?? null })),
  };
}

/** @param {Box} one @param {Box} other @returns {Box} what both cover; null: nothing */
function overlapOf(one, other) {
  const box = (one ?? []).map(([start, end], axis) => [
    Math.max(start, other?.[axis]?.[0] ?? start),
    Math.min(end, other?.[axis]?.[1] ?? end),
  ]);
  return box.length > 0 && box.every(([start, end]) => start < end) ? box : null;
}

/** What several tiles read of one value. @param {readonly Tile[]} reads @returns {Halo[]} */
export const overlapsIn = (reads) =>
  reads.flatMap((one, index) =>
    reads.slice(index + 1).flatMap((other) => {
      const box = overlapOf(one.box, other.box);
      if (box === null || one.participant === other.participant) return [];
      return [one, other].map(({ participant }) => ({ to: participant, box }));
    }),
  );

/**
 * The largest value that a block reads: in tiles of those that made it, and as halos what comes from others. An input of the
 * network has not been computed by anybody: its tiles are what is read of it, its halos what several read.
 * @returns {ReadMap}
 */
export function readBy(plan, block) {
  const { tiles, axes } = plan.blocks[block];
  const names = new Set(tiles.flatMap(({ inputs }) => Object.keys(inputs)));
  const tensor = largestOf(names, plan.tensors);
  const shape = plan.tensors[tensor]?.shape ?? [];
  const reads = tiles.flatMap(({ participant, inputs }, part) =>
    Object.hasOwn(inputs, tensor) ? [{ part, participant, box: inputs[tensor] }] : [],
  );
  const pieces = plan.pieces.flatMap(({ tensor: own, reader, region, from, to, bytes }) =>
    own === tensor && reader?.[0] === block ? [{ part: reader[1], from, to, bytes, box: region }] : [],
  );
  const maker = plan.blocks.find((other) => Object.hasOwn(other.tiles[0]?.outputs ?? {}, tensor));
  if (maker === undefined) {
    return { tensor, shape, axes, isInput: true, tiles: reads, reads, pieces, halos: overlapsIn(reads) };
  }
  const made = maker.tiles.map(({ participant, outputs }, part) => ({
    part,
    participant,
    box: outputs[tensor] ?? null,
  }));
  return { tensor, shape, axes: maker.axes, isInput: false, tiles: made, reads, pieces, halos: pieces };
}

/** Bytes that come to a block from other peers, all its values together. */
export const bytesBefore = (plan, block) =>
  plan.pieces.reduce((sum, { reader, bytes }) => sum + (reader?.[0] === block ? bytes : 0), 0);

/**
 * The axes drawn across and down; -1: there is none. A map that is cut by channels shows channels across.
 * @param {readonly number[]} shape @param {readonly number[]} cut axes of the cut
 * @returns {[number, number]}
 */
export function axesOf(shape, cut) {
  if (shape.length < 3) return [shape.length - 1, -1];
  return [cut.find((axis) => axis !== 2) ?? Math.min(3, shape.length - 1), 2];
}

/** @param {readonly number[]} shape @param {readonly number[]} cut @returns {string} what runs across */
export function axisName(shape, cut) {
  const [across] = axesOf(shape, cut);
  if (across === 0 && shape.length > 1) return 'samples';
  return across === 1 || shape.length < 3 ? (shape.length < 3 ? 'features' : 'channels') : 'columns';
}

/** Small maps are drawn larger than they are, or nothing would be seen of them. */
const sideOf = (extent, largest, side) => Math.max(side * 0.3, side * (extent / largest) ** 0.3);

/**
 * Where a map stands in a square of `side`, and where a box is in it.
 * @param {FeatureMap} map @param {number} side pixels @param {number} largest extent of rows and columns; 0: the map's own
 * @returns {{ frame: Rect, box: (box: Box) => Rect }}
 */
export function place({ shape, axes }, side, largest = 0) {
  const [across, down] = axesOf(shape, axes);
  const columns = shape[across] ?? 1;
  const rows = down < 0 ? 1 : shape[down];
  const most = Math.max(1, largest, across > 1 ? columns : 1, rows);
  const width = across > 1 ? sideOf(columns, most, side) : side;
  const height = down < 0 ? side * 0.22 : sideOf(rows, most, side);
  const frame = { x: (side - width) / 2, y: (side - height) / 2, width, height };
  const share = (box, axis, extent) => {
    const [start, end] = (axis < 0 ? null : box?.[axis]) ?? [0, extent];
    return [start / extent, (end - start) / extent];
  };
  return {
    frame,
    box: (box) => {
      const [left, wide] = share(box, across, columns);
      const [top, high] = share(box, down, rows);
      return { x: frame.x + left * width, y: frame.y + top * height, width: wide * width, height: high * height };
    },
  };
}
