/**
 * Resize and its forerunner Upsample. An axis resized by the factor p/q (in lowest terms) repeats itself every q inputs and p
 * outputs: a tile of whole periods is computed from the same coordinates as in the whole. Interpolation reads neighbours,
 * so such a tile is computed with a margin of whole periods that is cut off afterwards.
 * Source: ONNX operator specification, Resize-10 to Resize-19.
 */
import { equals, interval, whole, type Interval } from '../geometry/interval.ts';
import { intAttribute, intsAttribute, stringAttribute } from '../graph/graph.ts';
import { fromInt64, numberValues, type Shape } from '../tensor/tensor.ts';
import { parameterInput, regionInput, wholeInput, type BoundNode, type NodeFacts, type OpRule } from './rule.ts';

/** How an axis repeats itself: `outputs` outputs for every `inputs` inputs, each reading `reach` inputs to either side. */
interface Period {
  readonly inputs: number;
  readonly outputs: number;
  readonly reach: number;
}

const isOld = (facts: NodeFacts): boolean => facts.node.op === 'Upsample' || facts.opset < 11;

/** Where the inputs stand. */
const positions = (facts: NodeFacts): { readonly scales: number; readonly sizes: number } =>
  isOld(facts) ? { scales: 1, sizes: -1 } : { scales: 2, sizes: 3 };

const floatsOf = (facts: NodeFacts, name: string): readonly number[] | undefined => {
  const attribute = facts.node.attributes[name];
  return attribute?.kind === 'floats' ? attribute.value : undefined;
};

function scalesOf(facts: NodeFacts): readonly number[] | undefined {
  const given = facts.constants[positions(facts).scales];
  if (given === undefined) return floatsOf(facts, 'scales');
  return given.shape[0] === 0 ? undefined : numberValues(given);
}

function sizesOf(facts: NodeFacts): Shape | undefined {
  const sizes = facts.constants[positions(facts).sizes];
  return sizes === undefined || sizes.shape[0] === 0 ? undefined : numberValues(sizes);
}

function target(facts: NodeFacts): Shape | undefined {
  const data = facts.inputs[0]!;
  const isPlain = stringAttribute(facts.node, 'keep_aspect_ratio_policy', 'stretch') === 'stretch';
  if (!isPlain || intsAttribute(facts.node, 'axes') !== undefined) return undefined;
  const sizes = sizesOf(facts);
  if (sizes !== undefined) return sizes;
  return scalesOf(facts)?.map((scale, axis) => Math.floor(data[axis]! * scale));
}

const coordinatesOf = (facts: NodeFacts): string =>
  isOld(facts) ? 'asymmetric' : stringAttribute(facts.node, 'coordinate_transformation_mode', 'half_pixel');

/** The place in the input that an output index stands for; undefined where it depends on more than the factor. */
const POSITIONS: Readonly<Record<string, (index: number, scale: number) => number>> = {
  asymmetric: (index, scale) => index / scale,
  half_pixel: (index, scale) => (index + 0.5) / scale - 0.5,
  pytorch_half_pixel: (index, scale) => (index + 0.5) / scale - 0.5,
};

const ROUNDINGS: Readonly<Record<string, (position: number) => number>> = {
  floor: Math.floor,
  ceil: Math.ceil,
  round_prefer_floor: (position) => Math.ceil(position - 0.5),
  round_prefer_ceil: (position) => Math.floor(position + 0.5),
};

/** How many neighbours interpolation reads to either side, in inputs. */
const REACHES: Readonly<Record<string, number>> = { nearest: 1, linear: 1, cubic: 2 };

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

/** Longer axes are not looked through element by element. */
const MAX_CHECKED = 1 << 20;

/** Whether rounding to the nearest repeats itself exactly, in the single precision in which it is computed. */
function isRepeating(facts: NodeFacts, period: Period, outputs: number): boolean {
  const position = POSITIONS[coordinatesOf(facts)]!;
  const round = ROUNDINGS[isOld(facts) ? 'floor' : stringAttribute(facts.node, 'nearest_mode', 'round_prefer_floor')];
  const scale = Math.fround(period.outputs / period.inputs);
  if (round === undefined || outputs > MAX_CHECKED) return false;
  const source = (index: number): number => round(Math.fround(position(index, scale)));
  for (let index = period.outputs; index < outputs; index++) {
    if (source(index) !== source(index - period.outputs) + period.inputs) return false;
  }
  return true;
}

function periodOf(facts: NodeFacts, outputs: Shape, axis: number): Period | undefined {
  const from = facts.inputs[0]![axis]!;
  const to = outputs[axis]!;
  if (from === to) return { inputs: 1, outputs: 1, reach: 0 };
  const mode = stringAttribute(facts.node, 'mode', 'nearest');
  const common = greatestCommonDivisor(from, to);
  const reach = REACHES[mode];
  const scale = sizesOf(facts) === undefined ? scalesOf(facts)?.[axis] : undefined;
  const isExact = scale === undefined || Math.fround(to / from) === Math.fround(scale);
  const isAntialiased = intAttribute(facts.node, 'antialias', 0) === 1 && to < from;
  // Excluding what lies outside changes the weights at the borders of a tile only where there is a margin to cut off.
  if (reach === undefined || !isExact || isAntialiased || POSITIONS[coordinatesOf(facts)] === undefined)
    return undefined;
  const period = { inputs: from / common, outputs: to / common, reach };
  return mode !== 'nearest' || isRepeating(facts, period, to) ? period : undefined;
}

const periodsByNode = new WeakMap<BoundNode, readonly (Period | undefined)[]>();

/** One for each axis that can be cut. Asked for again for every tile, so kept with the node. */
function periodsOf(node: BoundNode): readonly (Period | undefined)[] {
  const known = periodsByNode.get(node);
  if (known !== undefined) return known;
  const periods = node.outputs[0]!.map((_, axis) => periodOf(node, node.outputs[0]!, axis));
  periodsByNode.set(node, periods);
  return periods;
}

interface Piece {
  /** Whole periods, margin included, clipped to the map. */
  readonly input: Interval;
  readonly written: Interval;
  /** What of it is as in the whole. */
  readonly valid: Interval;
}

function pieceOf(period: Period | undefined, own: Interval, from: number, to: number): Piece {
  if (period === undefined) return { input: whole(from), written: whole(to), valid: whole(to) };
  const margin = Math.ceil(period.reach / period.inputs);
  const first = Math.floor(own.start / period.outputs);
  const last = Math.ceil(own.end / period.outputs);
  const count = from / period.inputs;
  const start = Math.max(0, first - margin);
  const end = Math.min(count, last + margin);
  const times = (periods: number, step: number): number => periods * step;
  return {
    input: interval(times(start, period.inputs), times(end, period.inputs)),
    written: interval(times(start, period.outputs), times(end, period.outputs)),
    valid: interval(times(first, period.outputs), times(last, period.outputs)),
  };
}

export const resize: OpRule = {
  outputs: (facts) => {
    const shape = target(facts);
    return shape && [{ shape, type: facts.inputTypes[0]! }];
  },
  cuttable: (node) => periodsOf(node).map((period) => period !== undefined),
  local: (node, region) => {
    const data = node.inputs[0]!;
    const shape = node.outputs[0]!;
    const pieces = periodsOf(node).map((period, axis) => pieceOf(period, region[axis]!, data[axis]!, shape[axis]!));
    const written = pieces.map((piece) => piece.written);
    const sizes = written.map((own) => own.end - own.start);
    const valid = pieces.map((piece) => piece.valid);
    return {
      region: valid,
      ...(valid.every((own, axis) => equals(own, written[axis]!)) ? {} : { written }),
      inputs: node.inputs.map((input, position) => {
        if (position === 0) return regionInput(pieces.map((piece) => piece.input));
        const isSizes = position === positions(node).sizes && input !== undefined && input[0] !== 0;
        return isSizes ? parameterInput(fromInt64([sizes.length], sizes)) : wholeInput(input);
      }),
    };
  },
};
