/**
 * The matrices of minimal filtering, F(m, 3): m outputs of a 3-tap correlation from m + 2 inputs with m + 2 multiplications,
 * `y = A' [(G g) . (B' d)]`, by evaluation at m + 1 points and at infinity (Cook and Toom).
 * Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016; Blahut, "Fast Algorithms for Signal
 * Processing", 2010, section 5.2.
 */

export type Matrix = readonly (readonly number[])[];

export interface Transform {
  /** Inputs, and products, of one tile: m + 2. */
  readonly frequencies: number;
  /** Outputs of one tile. */
  readonly outputTile: number;
  /** `B'`, frequencies x inputs: of the data. */
  readonly input: Matrix;
  /** `G`, frequencies x 3: of the weights. */
  readonly weight: Matrix;
  /** `A'`, outputs x frequencies. */
  readonly output: Matrix;
}

const TAPS = 3;

/**
 * Points of F(4, 3). Against 0, 1, -1, 2, -2 of the paper a third of the error, at the same speed: the powers of the last two
 * balance each other. 1 comes second, which `BIAS_FREQUENCY` relies on.
 */
const POINTS = [0, 1, -1, 0.5, -2];

/** The frequency of point 1: what is added to it alone is added to all outputs. */
export const BIAS_FREQUENCY = 1;

/** Coefficients of the polynomial with these roots, the constant first. */
const polynomial = (roots: readonly number[]): number[] =>
  roots.reduce(
    (product, root) => {
      const next = [0, ...product];
      for (const [power, coefficient] of product.entries()) next[power]! -= root * coefficient;
      return next;
    },
    [1],
  );

const powers = (point: number, count: number): number[] => Array.from({ length: count }, (_, power) => point ** power);

/** @param points distinct, one more than there are outputs. */
export function transformFor(points: readonly number[]): Transform {
  const frequencies = points.length + 1;
  const outputTile = frequencies - TAPS + 1;
  const others = points.map((point) => points.filter((other) => other !== point));
  const infinity = (size: number): number[] => powers(0, size).reverse();
  return {
    frequencies,
    outputTile,
    input: [...others.map((roots) => [...polynomial(roots), 0]), polynomial(points)],
    weight: [
      ...points.map((point, index) => {
        const scale = others[index]!.reduce((product, other) => product * (point - other), 1);
        return powers(point, TAPS).map((power) => power / scale);
      }),
      infinity(TAPS),
    ],
    output: Array.from({ length: outputTile }, (_, row) => [
      ...points.map((point) => point ** row),
      row === outputTile - 1 ? 1 : 0,
    ]),
  };
}

export const TRANSFORM: Transform = transformFor(POINTS);

/** The matrix that does along two axes, the first one outermost, what `matrix` does along one. */
export const alongBoth = (matrix: Matrix): number[][] =>
  matrix.flatMap((first) => matrix.map((second) => first.flatMap((a) => second.map((b) => a * b))));
