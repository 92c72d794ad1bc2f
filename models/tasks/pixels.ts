/** A decoded picture: 8 bits a channel, channels interleaved, rows from the top. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/** Median of the outermost pixels (first channel): the level of the ground that a subject stands on. */
export function borderLevel({ data, width, height, channels }: Pixels): number {
  const histogram = new Uint32Array(256);
  let count = 0;
  const add = (x: number, y: number): void => {
    histogram[data[(y * width + x) * channels]!]!++;
    count++;
  };
  for (let x = 0; x < width; x++) {
    add(x, 0);
    add(x, height - 1);
  }
  for (let y = 1; y < height - 1; y++) {
    add(0, y);
    add(width - 1, y);
  }
  return quantile(histogram, count, 0.5);
}

/** The lowest level that at least `fraction` of `count` values do not exceed. */
export function quantile(histogram: ArrayLike<number>, count: number, fraction: number): number {
  let below = 0;
  for (let level = 0; level < histogram.length; level++) {
    below += histogram[level]!;
    if (below >= count * fraction) return level;
  }
  return histogram.length - 1;
}
