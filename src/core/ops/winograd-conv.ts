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
import { intAttribute, intsAttribute, stringAttribute, type Attribute, type Node } from '../graph/graph.ts';
import { conv } from './conv.ts';
import { int, type BoundNode, type OpRule } from './rule.ts';

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

/** What the choice must promise to be made: neighbours in a blocked layout lose something, thin tiles more. */
export const LEAST_GAIN = 1.4;
/** Maps of fewer rows or columns leave too few tiles for a product, and too much of them outside the map. */
const LEAST_EXTENT = 8;
const FIRST_OPSET = 13;

const roundUp = (extent: number): number => Math.ceil(extent / OUTPUT_TILE) * OUTPUT_TILE;

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

export const winogradConv: OpRule = {
  outputs: conv.outputs,
  cuttable: conv.cuttable,
  local: (node, region) => {
    const spatial = region.slice(2).map((own, axis) => onGrid(own, node.outputs[0]![axis + 2]!));
    const local = conv.local(node, [...region.slice(0, 2), ...spatial]);
    const { group: _, ...attributes } = local.attributes ?? {};
    return { ...local, attributes: { ...attributes, ragged: raggedness(extentsOf(local.region)) } };
  },
  macs: (node, region) => macsOf(node.inputs[1]![1]!, length(region[1]!), extentsOf(region)),
  weightGrowth: WEIGHT_GROWTH,
};

/**
 * The node that computes a Conv by minimal filtering, or undefined where that is impossible or promises too little. Depends
 * on the whole layer alone, so that all tiles of it, on all peers, are computed alike.
 * @param isWeight whether the second input is fixed by the model.
 * @param leastGain over the direct convolution that the costs must promise.
 */
export function asWinogradConv(
  { node, inputs, inputTypes, outputs, opset }: BoundNode,
  isWeight: boolean,
  leastGain = LEAST_GAIN,
): Node | undefined {
  const [x, w] = inputs;
  const [y] = outputs;
  if (node.domain !== '' || node.op !== 'Conv' || !isWeight || opset < FIRST_OPSET || inputTypes[0] !== 'float32') {
    return undefined;
  }
  if (x?.length !== 4 || x[0] !== 1 || w?.[2] !== 3 || w[3] !== 3 || intAttribute(node, 'group', 1) !== 1)
    return undefined;
  const steps = [...(intsAttribute(node, 'strides') ?? []), ...(intsAttribute(node, 'dilations') ?? [])];
  const spatial = y!.slice(2);
  if (steps.some((step) => step !== 1) || (leastGain > 0 && spatial.some((extent) => extent < LEAST_EXTENT)))
    return undefined;
  const direct = DIRECT_MACS_PER_CHANNEL * w[1]! * spatial.reduce((product, extent) => product * extent, w[0]!);
  if (direct < leastGain * macsOf(w[1]!, w[0]!, spatial)) return undefined;
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return undefined;
  const { pads } = node.attributes;
  const attributes = { ...(pads && { pads }), ragged: raggedness(spatial) };
  return { ...node, domain: WINOGRAD_DOMAIN, op: WINOGRAD_CONV, attributes };
}
