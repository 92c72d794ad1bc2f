/**
 * Pad: cut along every axis. A tile that reaches into the padding takes all of the padding at that end, and as much of the map
 * as the padding is made of; any other tile is just a copy. Source: ONNX operator specification, Pad-2 to Pad-21.
 */
import { interval, whole, type Interval } from '../geometry/interval.ts';
import { intsAttribute, stringAttribute } from '../graph/graph.ts';
import { fromNumbers, numberValues } from '../tensor/tensor.ts';
import { ints, normalizeAxis, parameterInput, regionInput, wholeInput, type NodeFacts, type OpRule } from './rule.ts';

interface Padding {
  readonly before: number;
  readonly after: number;
}

/** Axes that the amounts are given for, in the order in which they are given. */
function paddedAxes(facts: NodeFacts): readonly number[] | undefined {
  const rank = facts.inputs[0]!.length;
  if (facts.inputs[3] === undefined) return facts.inputs[0]!.map((_, axis) => axis);
  const axes = facts.constants[3];
  return axes && numberValues(axes).map((axis) => normalizeAxis(axis, rank));
}

function paddingsOf(facts: NodeFacts): readonly Padding[] | undefined {
  const axes = paddedAxes(facts);
  const constant = facts.constants[1];
  const amounts = constant === undefined ? intsAttribute(facts.node, 'pads') : numberValues(constant);
  if (axes === undefined || amounts === undefined) return undefined;
  const paddings = facts.inputs[0]!.map((): Padding => ({ before: 0, after: 0 }));
  for (const [index, axis] of axes.entries()) {
    paddings[axis] = { before: amounts[index]!, after: amounts[index + axes.length]! };
  }
  return paddings;
}

const modeOf = (facts: NodeFacts): string => stringAttribute(facts.node, 'mode', 'constant');

/** Elements of the map next to the border that the padding is made of, beyond those under the tile. */
const SOURCES: Readonly<Record<string, (amount: number) => number>> = {
  constant: () => 1,
  edge: () => 1,
  reflect: (amount) => amount + 1,
};

interface Piece extends Padding {
  readonly input: Interval;
  readonly produced: Interval;
}

function pieceOf({ before, after }: Padding, own: Interval, extent: number, source: (amount: number) => number): Piece {
  const end = before + extent;
  const isAtStart = own.start < before;
  const isAtEnd = own.end > end;
  const first = isAtStart ? 0 : own.start - before;
  const last = isAtEnd ? extent : own.end - before;
  const input = interval(
    isAtEnd ? Math.max(0, Math.min(first, extent - source(after))) : first,
    isAtStart ? Math.min(extent, Math.max(last, source(before))) : last,
  );
  const produced = interval(isAtStart ? 0 : input.start + before, isAtEnd ? end + after : input.end + before);
  return { input, produced, before: isAtStart ? before : 0, after: isAtEnd ? after : 0 };
}

export const pad: OpRule = {
  outputs: (facts) => {
    const paddings = paddingsOf(facts);
    if (paddings === undefined) return undefined;
    const shape = facts.inputs[0]!.map((extent, axis) => extent + paddings[axis]!.before + paddings[axis]!.after);
    return [{ shape, type: facts.inputTypes[0]! }];
  },
  cuttable: (node) => {
    const source = SOURCES[modeOf(node)];
    const isConstant = modeOf(node) === 'constant';
    return paddingsOf(node)!.map(({ before, after }, axis) => {
      if (before === 0 && after === 0) return true;
      if (source === undefined) return false;
      return isConstant || (before >= 0 && after >= 0 && Math.max(before, after) < node.inputs[0]![axis]!);
    });
  },
  local: (node, region) => {
    const source = SOURCES[modeOf(node)] ?? SOURCES.constant!;
    const isCuttable = pad.cuttable(node);
    const paddings = paddingsOf(node)!;
    const pieces = paddings.map((padding, axis): Piece => {
      const extent = node.inputs[0]![axis]!;
      const produced = region[axis]!;
      return isCuttable[axis] === true
        ? pieceOf(padding, produced, extent, source)
        : { ...padding, input: whole(extent), produced };
    });
    const axes = paddedAxes(node)!;
    const amounts = [...axes.map((axis) => pieces[axis]!.before), ...axes.map((axis) => pieces[axis]!.after)];
    return {
      region: pieces.map((piece) => piece.produced),
      inputs: node.inputs.map((shape, position) => {
        if (position === 0) return regionInput(pieces.map((piece) => piece.input));
        return position === 1 ? parameterInput(fromNumbers('int64', [amounts.length], amounts)) : wholeInput(shape);
      }),
      ...(node.node.attributes.pads === undefined ? {} : { attributes: { pads: ints(...amounts) } }),
    };
  },
};
