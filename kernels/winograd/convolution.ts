/**
 * One convolution by minimal filtering, in operators that every runtime has. Channels stay innermost throughout, so that all
 * transforms work on runs of them:
 *
 * 1. two convolutions of one channel, along rows and then along columns, with the tile as stride: the map at 36 frequencies,
 *    tiles of 6x6 that overlap by two;
 * 2. for each frequency a matrix product, channels in by channels out. Products of their own, since a runtime packs the
 *    matrix of each beforehand, which it does not do for one that is stacked;
 * 3. a 1x1 convolution over the 36 frequencies to the 16 outputs of a tile.
 *
 * The convolutions of the transforms have three spatial axes: ONNX Runtime would move ones with two to a layout in blocks of
 * 8 or 16 channels, most of them empty here.
 */
import { fromFloat32 } from '../../src/core/tensor/tensor.ts';
import type { Node } from '../../src/core/graph/graph.ts';
import type { Emitter } from './emitter.ts';
import { ints, int } from '../../src/core/ops/rule.ts';
import { alongBoth, BIAS_FREQUENCY, TRANSFORM } from './transform.ts';

const { frequencies: FREQUENCIES, outputTile: TILE } = TRANSFORM;
const FREQUENCY_PAIRS = FREQUENCIES ** 2;

export interface FilteredConvolution {
  /** Prefix of all names. */
  readonly name: string;
  /** Map of shape [1, rows, columns, channels]. */
  readonly input: string;
  /** Names of the matrices of the frequencies, in their order. */
  readonly weights: readonly string[];
  readonly bias: string | undefined;
  readonly channelsIn: number;
  readonly channelsOut: number;
  /** At the top, left, bottom and right. */
  readonly pads: readonly [number, number, number, number];
  /** Whether the result may be no multiple of tiles. */
  readonly isRagged: boolean;
  /** What its results go through, each by itself. */
  readonly activation: Pick<Node, 'op' | 'attributes'> | undefined;
  /** Whether the largest of each 2x2 outputs is wanted instead of all. */
  readonly isPooled: boolean;
}

const flat = (matrix: readonly (readonly number[])[]): number[] => matrix.flat();

/** Rows of the output transform so that the four outputs of each pooling window stand in different quarters. */
function poolOrder(): number[] {
  const order: number[] = [];
  for (const [top, left] of [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ] as const) {
    for (let row = top; row < TILE; row += 2)
      for (let column = left; column < TILE; column += 2) order.push(row * TILE + column);
  }
  return order;
}

function emitFrequencies(emitter: Emitter, { name, input, channelsIn, pads }: FilteredConvolution): string {
  const [top, left, bottom, right] = pads;
  // A last tile may reach beyond the map by as much as it has outputs, less one.
  const beyond = TILE - 1;
  const matrix = flat(TRANSFORM.input);
  const rows = emitter.one(
    `${name}::rows`,
    'Conv',
    [
      emitter.one(`${name}::map`, 'Unsqueeze', [input, emitter.list(1)]),
      emitter.constant('winograd::rows', fromFloat32([FREQUENCIES, 1, FREQUENCIES, 1, 1], matrix)),
    ],
    {
      kernel_shape: ints(FREQUENCIES, 1, 1),
      strides: ints(TILE, 1, 1),
      pads: ints(top, 0, 0, bottom + beyond, 0, 0),
    },
  );
  const columns = emitter.one(
    `${name}::columns`,
    'Conv',
    [
      emitter.reshape(`${name}::rows::each`, rows, FREQUENCIES, 1, 0, -1, channelsIn),
      emitter.constant('winograd::columns', fromFloat32([FREQUENCIES, 1, 1, FREQUENCIES, 1], matrix)),
    ],
    {
      kernel_shape: ints(1, FREQUENCIES, 1),
      strides: ints(1, TILE, 1),
      pads: ints(0, left, 0, 0, right + beyond, 0),
    },
  );
  return emitter.reshape(`${name}::frequencies`, columns, 1, FREQUENCY_PAIRS, 0, 0, channelsIn);
}

function emitProducts(emitter: Emitter, map: string, { name, weights, bias }: FilteredConvolution): string {
  const parts = emitter.several(
    `${name}::split`,
    'Split',
    [map, emitter.list(...weights.map(() => 1))],
    { axis: int(1) },
    FREQUENCY_PAIRS,
  );
  const products = parts.map((part, index) => {
    const product = emitter.one(`${name}::product::${index}`, 'MatMul', [part, weights[index]!]);
    const isBiased = bias !== undefined && index === BIAS_FREQUENCY * FREQUENCIES + BIAS_FREQUENCY;
    return isBiased ? emitter.one(`${name}::biased`, 'Add', [product, bias]) : product;
  });
  return emitter.one(`${name}::products`, 'Concat', products, { axis: int(1) });
}

function emitOutputs(emitter: Emitter, products: string, { name, activation, isPooled }: FilteredConvolution): string {
  const rows = alongBoth(TRANSFORM.output);
  const ordered = isPooled ? poolOrder().map((row) => rows[row]!) : rows;
  const matrix = fromFloat32([TILE ** 2, FREQUENCY_PAIRS, 1, 1, 1], flat(ordered));
  const weight = emitter.constant(isPooled ? 'winograd::pooled' : 'winograd::outputs', matrix);
  const outputs = emitter.one(`${name}::outputs`, 'Conv', [products, weight], { kernel_shape: ints(1, 1, 1) });
  const active =
    activation === undefined
      ? outputs
      : emitter.one(`${name}::active`, activation.op, [outputs], activation.attributes);
  if (!isPooled) return active;
  const windows = emitter.several(`${name}::windows`, 'Split', [active, emitter.list(4, 4, 4, 4)], { axis: int(1) }, 4);
  return emitter.one(`${name}::largest`, 'Max', windows);
}

/** From [1, outputs of a tile, tile rows, tile columns, channels] to [1, rows, columns, channels]. */
function emitMap(emitter: Emitter, outputs: string, edge: number, { name, channelsOut }: FilteredConvolution): string {
  const tiles = emitter.reshape(`${name}::tiles`, outputs, edge, edge, 0, 0, channelsOut);
  const placed = emitter.one(`${name}::placed`, 'Transpose', [tiles], { perm: ints(2, 0, 3, 1, 4) });
  const joined = emitter.reshape(`${name}::joined`, placed, 0, edge, -1, channelsOut);
  return emitter.reshape(`${name}::whole`, joined, 1, -1, 0, channelsOut);
}

/** Cuts off what the last tiles computed beyond the map. */
function emitCrop(emitter: Emitter, map: string, { name, input, pads, isPooled }: FilteredConvolution): string {
  const [top, left, bottom, right] = pads;
  const shape = emitter.one(`${name}::shape`, 'Shape', [input]);
  const given = emitter.one(`${name}::given`, 'Slice', [shape, emitter.list(1), emitter.list(3)]);
  const grown = emitter.list(top + bottom - 2, left + right - 2);
  const wanted = emitter.one(`${name}::wanted`, 'Add', [given, grown]);
  const ends = isPooled ? emitter.one(`${name}::halved`, 'Div', [wanted, emitter.list(2)]) : wanted;
  return emitter.one(`${name}::cropped`, 'Slice', [map, emitter.list(0, 0), ends, emitter.list(1, 2)]);
}

/** @returns the name of the result, of shape [1, rows, columns, channels]. */
export function emitConvolution(emitter: Emitter, convolution: FilteredConvolution): string {
  const { isPooled, isRagged } = convolution;
  const products = emitProducts(emitter, emitFrequencies(emitter, convolution), convolution);
  const outputs = emitOutputs(emitter, products, convolution);
  const map = emitMap(emitter, outputs, isPooled ? TILE / 2 : TILE, convolution);
  return isRagged ? emitCrop(emitter, map, convolution) : map;
}
