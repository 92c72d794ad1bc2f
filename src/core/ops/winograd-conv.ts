/**
 * A 3x3 convolution by minimal filtering, F(4x4, 3x3): tilemesh's own operator, which stands for Conv where speed is wanted
 * more than the last bits. It computes output tiles of 4x4, each from 6x6 inputs, with a quarter of the multiplications.
 * What a tile rounds to depends on all its inputs, so regions are widened to the grid of tiles that starts at the origin of
 * the whole map: then every cut computes the same tiles from the same inputs.
 * Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
 */
import type { Interval } from '../geometry/interval.ts';
import { length } from '../geometry/interval.ts';
import type { Region } from '../geometry/region.ts';
import {
  floatAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  type Attribute,
  type Node,
} from '../graph/graph.ts';
import type { Shape } from '../tensor/tensor.ts';
import { conv } from './conv.ts';
import { int, regionInput, type BoundNode, type LocalInput, type OpRule } from './rule.ts';

export const WINOGRAD_DOMAIN = 'tilemesh';
export const WINOGRAD_CONV = 'WinogradConv';
/** Edge of an output tile. */
export const OUTPUT_TILE = 4;
/** Bytes of the transformed weights for each byte of the weights: 6x6 frequencies for 3x3 taps. */
export const WEIGHT_GROWTH = 36 / 9;

export const isWinogradConv = ({ domain, op }: Node): boolean => domain === WINOGRAD_DOMAIN && op === WINOGRAD_CONV;

/**
 * Time for each output element in multiply-accumulates of a direct convolution: a share for each input channel, and the
 * transforms. Fitted to ONNX Runtime on x86-64, one thread (bench/NOTES.md): within 10 % for 64 to 512 channels at 14 to 224.
 */
const MACS_PER_CHANNEL = 2.7;
const TRANSFORM_MACS = 370;
const DIRECT_MACS_PER_CHANNEL = 9;

/** What the costs must promise where nothing was measured: neighbours in a blocked layout lose something, thin tiles more. */
export const LEAST_GAIN = 1.4;
/** Maps of fewer rows or columns leave too few tiles for a product, and too much of them outside the map. */
const LEAST_EXTENT = 8;
const FIRST_OPSET = 13;

/** A convolution as far as its speed depends on it. Rows and columns are those of its output. */
export interface FilterableLayer {
  readonly channelsIn: number;
  readonly channelsOut: number;
  readonly rows: number;
  readonly columns: number;
}

const roundUp = (extent: number): number => Math.ceil(extent / OUTPUT_TILE) * OUTPUT_TILE;

/** Of BatchNormalization. */
const DEFAULT_EPSILON = 1e-5;

/** Work for a map: that of its tiles, in multiply-accumulates of a direct convolution. */
const macsOf = (channelsIn: number, channelsOut: number, spatial: readonly number[]): number =>
  (MACS_PER_CHANNEL * channelsIn + TRANSFORM_MACS) *
  spatial.reduce((product, extent) => product * roundUp(extent), channelsOut);

const extentsOf = (region: Region): number[] => region.slice(2).map(length);

/** Whether the output is no multiple of tiles, so that what the last ones compute beyond it is to be cut off. */
const raggedness = (extents: readonly number[]): Attribute =>
  int(extents.some((extent) => extent % OUTPUT_TILE !== 0) ? 1 : 0);

function onGrid({ start, end }: Interval, extent: number): Interval {
  return { start: Math.floor(start / OUTPUT_TILE) * OUTPUT_TILE, end: Math.min(extent, roundUp(end)) };
}

/** Inputs beyond the bias are those of a normalisation that follows, one value for each output channel like the bias. */
export const winogradConv: OpRule = {
  outputs: conv.outputs,
  cuttable: conv.cuttable,
  local: (node, region) => {
    const spatial = region.slice(2).map((own, axis) => onGrid(own, node.outputs[0]![axis + 2]!));
    const local = conv.local(node, [...region.slice(0, 2), ...spatial]);
    const { group: _, ...attributes } = local.attributes ?? {};
    const perChannel = (shape: Shape | undefined): LocalInput | null =>
      shape === undefined ? null : regionInput([local.region[1]!]);
    const inputs = [...local.inputs.slice(0, 2), ...node.inputs.slice(2).map(perChannel)];
    return { ...local, inputs, attributes: { ...attributes, ragged: raggedness(extentsOf(local.region)) } };
  },
  macs: (node, region) => macsOf(node.inputs[1]![1]!, length(region[1]!), extentsOf(region)),
  weightGrowth: WEIGHT_GROWTH,
};

/**
 * What can be computed by minimal filtering, or undefined where that is impossible. Depends on the whole layer alone, so that
 * all tiles of it, on all peers, are computed alike.
 * @param isWeight whether the second input is fixed by the model.
 */
export function filterableLayer(
  { node, inputs, inputTypes, outputs, opset }: BoundNode,
  isWeight: boolean,
): FilterableLayer | undefined {
  const [x, w] = inputs;
  const [y] = outputs;
  if (node.domain !== '' || node.op !== 'Conv' || !isWeight || opset < FIRST_OPSET || inputTypes[0] !== 'float32') {
    return undefined;
  }
  if (x?.length !== 4 || x[0] !== 1 || w?.[2] !== 3 || w[3] !== 3 || intAttribute(node, 'group', 1) !== 1)
    return undefined;
  const steps = [...(intsAttribute(node, 'strides') ?? []), ...(intsAttribute(node, 'dilations') ?? [])];
  if (steps.some((step) => step !== 1) || stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return undefined;
  return { channelsIn: w[1]!, channelsOut: w[0]!, rows: y![2]!, columns: y![3]! };
}

/** How many times as fast as a direct convolution it promises to be, by the costs above; 0 for maps that are too small. */
export function promisedGain({ channelsIn, channelsOut, rows, columns }: FilterableLayer): number {
  if (Math.min(rows, columns) < LEAST_EXTENT) return 0;
  return (
    (DIRECT_MACS_PER_CHANNEL * channelsIn * channelsOut * rows * columns) /
    macsOf(channelsIn, channelsOut, [rows, columns])
  );
}

/**
 * The same by minimal filtering.
 * @param conv that is filterable.
 * @param normalization that alone reads its result: it is joined to the weights.
 */
export function asWinogradConv(conv: BoundNode, normalization?: BoundNode): BoundNode {
  const { pads } = conv.node.attributes;
  const attributes = { ...(pads && { pads }), ragged: raggedness(conv.outputs[0]!.slice(2)) };
  const node = { ...conv.node, domain: WINOGRAD_DOMAIN, op: WINOGRAD_CONV, attributes };
  if (normalization === undefined) return { ...conv, node };
  const epsilon: Attribute = { kind: 'float', value: floatAttribute(normalization.node, 'epsilon', DEFAULT_EPSILON) };
  const joined = <T>(of: readonly T[], more: readonly T[], blank: T): T[] => [
    ...of.slice(0, 2),
    of[2] ?? blank,
    ...more.slice(1),
  ];
  return {
    ...conv,
    node: {
      ...node,
      inputs: joined(node.inputs, normalization.node.inputs, ''),
      outputs: normalization.node.outputs,
      attributes: { ...attributes, epsilon },
    },
    inputs: joined(conv.inputs, normalization.inputs, undefined),
    inputTypes: joined(conv.inputTypes, normalization.inputTypes, undefined),
    constants: joined(conv.constants, normalization.constants, undefined),
  };
}
