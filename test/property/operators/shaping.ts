/** Operators that move elements, and products of matrices. */
import { elementCount, fromFloat32, fromNumbers } from '../../../src/core/tensor/tensor.ts';
import { wholeNumbers, type Attributes, type Draft, type Value } from '../draft.ts';
import { float, int, ints, isFloat, likes, text, type Maker } from './maker.ts';

const concat: Maker = (draft, value) => {
  const rank = value.shape.length;
  if (rank === 0) return false;
  const axis = draft.random.integer(0, rank - 1);
  const others = likes(draft, value).filter((other) =>
    other.shape.every((extent, index) => index === axis || extent === value.shape[index]),
  );
  const inputs = Array.from({ length: draft.random.integer(1, 3) }, () => draft.random.pick(others));
  return draft.add('Concat', [value, ...inputs], { axis: int(draft.random.pick([axis, axis - rank])) });
};

const split: Maker = (draft, value) => {
  const { random } = draft;
  const axes = value.shape.map((_, axis) => axis).filter((axis) => value.shape[axis]! >= 2);
  if (axes.length === 0) return false;
  const axis = random.pick(axes);
  const first = random.integer(1, value.shape[axis]! - 1);
  const sizes = [first, value.shape[axis]! - first];
  return draft.opset < 13
    ? draft.add('Split', [value], { axis: int(axis), split: ints(...sizes) }, 2)
    : draft.add('Split', [value, draft.integers(...sizes)], { axis: int(axis) }, 2);
};

const slice: Maker = (draft, value) => {
  const { random } = draft;
  const axes = value.shape.map((_, axis) => axis).filter(() => random.chance(0.5));
  if (axes.length === 0) return false;
  const canStep = draft.opset >= 10;
  const bounds = axes.map((axis) => {
    const extent = value.shape[axis]!;
    const start = random.integer(0, extent - 1);
    const end = random.chance(0.3) ? 2 ** 31 : random.integer(start + 1, extent);
    const step = canStep ? random.pick([1, 1, 2, -1]) : 1;
    return step > 0
      ? { start: random.chance(0.3) ? start - extent : start, end, step }
      : { start: -1, end: -extent - 5, step };
  });
  const lists = [bounds.map(({ start }) => start), bounds.map(({ end }) => end), axes];
  if (!canStep) {
    const [starts, ends] = lists;
    return draft.add('Slice', [value], { starts: ints(...starts!), ends: ints(...ends!), axes: ints(...axes) });
  }
  const inputs = lists.map((list) => draft.integers(...list));
  return draft.add('Slice', [value, ...inputs, draft.integers(...bounds.map(({ step }) => step))]);
};

const pad: Maker = (draft, value) => {
  const { random } = draft;
  const rank = value.shape.length;
  if (!isFloat(value) || rank < 2) return false;
  const mode = random.pick(['constant', 'constant', 'reflect', 'edge', ...(draft.opset >= 19 ? ['wrap'] : [])]);
  const amount = (axis: number): number => {
    if (axis < rank - 3 || random.chance(0.3)) return 0;
    const extent = value.shape[axis]!;
    return mode === 'constant'
      ? random.integer(-Math.min(1, extent - 2), 3)
      : random.integer(0, Math.min(3, extent - 1));
  };
  const begins = value.shape.map((_, axis) => amount(axis));
  const ends = value.shape.map((_, axis) => amount(axis));
  const attributes: Attributes = { mode: text(mode) };
  if (draft.opset < 11)
    return draft.add('Pad', [value], { ...attributes, pads: ints(...begins, ...ends), value: float(0.5) });
  if (draft.opset >= 18 && random.chance(0.3)) {
    const axes = [rank - 1, rank - 2];
    const chosen = [...axes.map((axis) => begins[axis]!), ...axes.map((axis) => ends[axis]!)];
    return draft.add('Pad', [value, draft.integers(...chosen), '', draft.integers(...axes)], attributes);
  }
  const fill = random.chance(0.5) ? [draft.scalar('float32', 0.5)] : [];
  return draft.add('Pad', [value, draft.integers(...begins, ...ends), ...fill], attributes);
};

const transpose: Maker = (draft, value) => {
  const rank = value.shape.length;
  if (rank < 2) return false;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const order = axes.map((axis) => ({ axis, key: draft.random.integer(0, 1000) })).sort((a, b) => a.key - b.key);
  const attributes = draft.random.chance(0.2) ? {} : { perm: ints(...order.map(({ axis }) => axis)) };
  return draft.add('Transpose', [value], attributes);
};

/** Axes joined, or one of them split by a divisor. */
const reshape: Maker = (draft, value) => {
  const { random } = draft;
  const rank = value.shape.length;
  if (rank < 2) return false;
  const axis = random.integer(0, rank - 2);
  const joined = [
    ...value.shape.slice(0, axis),
    value.shape[axis]! * value.shape[axis + 1]!,
    ...value.shape.slice(axis + 2),
  ];
  const divisor = [2, 3].find((own) => value.shape[axis]! % own === 0) ?? 1;
  const parted = [...value.shape.slice(0, axis), divisor, value.shape[axis]! / divisor, ...value.shape.slice(axis + 1)];
  const shape = random.chance(0.5) || rank > 4 ? joined : parted;
  const open = random.chance(0.5) ? random.integer(0, shape.length - 1) : -1;
  return draft.add('Reshape', [value, draft.integers(...shape.map((extent, index) => (index === open ? -1 : extent)))]);
};

const flatten: Maker = (draft, value) =>
  (isFloat(value) || draft.opset >= 9) &&
  value.shape.length > 0 &&
  draft.add('Flatten', [value], { axis: int(draft.random.integer(0, value.shape.length)) });

const withAxes = (draft: Draft, op: string, value: Value, axes: readonly number[]): boolean =>
  draft.opset < 13 ? draft.add(op, [value], { axes: ints(...axes) }) : draft.add(op, [value, draft.integers(...axes)]);

const squeeze: Maker = (draft, value) => {
  const axes = value.shape.map((_, axis) => axis).filter((axis) => value.shape[axis] === 1);
  return axes.length > 0 && value.shape.length - axes.length >= 2 && withAxes(draft, 'Squeeze', value, axes);
};

const unsqueeze: Maker = (draft, value) =>
  value.shape.length < 5 && withAxes(draft, 'Unsqueeze', value, [draft.random.integer(0, value.shape.length)]);

const resize: Maker = (draft, value) => {
  const { random } = draft;
  if (!isFloat(value) || value.shape.length !== 4 || draft.opset < 9) return false;
  const factors = [1, 1, random.pick([1, 2, 3, 1.5, 0.5]), random.pick([1, 2, 3, 0.5])];
  const scales = draft.constant(fromFloat32([4], factors));
  if (draft.opset === 9)
    return draft.add('Upsample', [value, scales], { mode: text(random.pick(['nearest', 'linear'])) });
  if (draft.opset === 10)
    return draft.add('Resize', [value, scales], { mode: text(random.pick(['nearest', 'linear'])) });
  const attributes = {
    mode: text(random.pick(['nearest', 'linear', 'cubic'])),
    coordinate_transformation_mode: text(
      random.pick(['half_pixel', 'asymmetric', 'align_corners', 'pytorch_half_pixel']),
    ),
    nearest_mode: text(random.pick(['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'])),
    exclude_outside: int(random.integer(0, 1)),
  };
  if (attributes.mode.kind === 'string' && attributes.mode.value !== 'cubic')
    Reflect.deleteProperty(attributes, 'exclude_outside');
  const none = draft.opset >= 13 ? '' : draft.constant(fromFloat32([0], []));
  if (random.chance(0.5)) {
    const sizes = value.shape.map((extent, axis) => Math.max(1, Math.floor(extent * factors[axis]!)));
    return draft.add('Resize', [value, none, none, draft.integers(...sizes)], attributes);
  }
  return draft.add('Resize', [value, none, scales], attributes);
};

const depthToSpace: Maker = (draft, value) =>
  isFloat(value) &&
  value.shape.length === 4 &&
  value.shape[1]! % 4 === 0 &&
  draft.add('DepthToSpace', [value], {
    blocksize: int(2),
    ...(draft.opset >= 11 ? { mode: text(draft.random.pick(['DCR', 'CRD'])) } : {}),
  });

const spaceToDepth: Maker = (draft, value) =>
  isFloat(value) &&
  value.shape.length === 4 &&
  value.shape[2]! % 2 === 0 &&
  value.shape[3]! % 2 === 0 &&
  draft.add('SpaceToDepth', [value], { blocksize: int(2) });

const gatherAlong: Maker = (draft, value) => {
  const { random } = draft;
  if (value.shape.length === 0) return false;
  const axis = random.integer(0, value.shape.length - 1);
  const shape = random.pick([[], [3], [2, 2]]);
  const limit = value.shape[axis]!;
  const values = Array.from({ length: elementCount(shape) }, () => random.integer(-limit, limit - 1));
  return draft.add('Gather', [value, draft.constant(fromNumbers('int64', shape, values))], { axis: int(axis) });
};

/** Rows of a table, picked by a value of the graph. */
const embedding: Maker = (draft, value) =>
  value.type === 'int64' && value.shape.length <= 2 && draft.add('Gather', [draft.numbers([16, 6]), value]);

const expand: Maker = (draft, value) => {
  if (draft.opset < 8 || value.shape.length > 4) return false;
  const shape = value.shape.map((extent) => (extent === 1 ? draft.random.integer(1, 3) : extent));
  return draft.add('Expand', [value, draft.integers(...(draft.random.chance(0.3) ? [2, ...shape] : shape))]);
};

const tile: Maker = (draft, value) =>
  value.shape.length > 0 &&
  draft.add('Tile', [value, draft.integers(...value.shape.map(() => (draft.random.chance(0.3) ? 2 : 1)))]);

const gemm: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length !== 2) return false;
  const { random } = draft;
  const isTransposedA = random.chance(0.3);
  const [rows, depth] = isTransposedA ? [value.shape[1]!, value.shape[0]!] : [value.shape[0]!, value.shape[1]!];
  const columns = random.integer(1, 9);
  const isTransposedB = random.chance(0.5);
  const spread = 1 / Math.sqrt(depth);
  const weight = draft.numbers(isTransposedB ? [columns, depth] : [depth, columns], -spread, spread);
  const bias = random.pick([[columns], [1, columns], [rows, 1], [rows, columns], [1]]);
  return draft.add('Gemm', [value, weight, ...(random.chance(0.7) || draft.opset < 11 ? [draft.numbers(bias)] : [])], {
    transA: int(isTransposedA ? 1 : 0),
    transB: int(isTransposedB ? 1 : 0),
    alpha: float(random.pick([1, 0.5])),
    beta: float(random.pick([1, 2])),
  });
};

const matMul: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length === 0) return false;
  const { random } = draft;
  const depth = value.shape.at(-1)!;
  const batch = value.shape.slice(0, -2);
  const shapes = [[depth], [depth, 5], [...batch.map((extent) => (random.chance(0.5) ? 1 : extent)), depth, 3]];
  const spread = 1 / Math.sqrt(depth);
  const shape = random.pick(shapes);
  // The runtime gives wrong answers where it merges a Transpose into a product with a vector: keep them apart.
  if (shape.length === 1) draft.add('Abs', [value]);
  const operand = shape.length === 1 ? draft.values.at(-1)! : value;
  return draft.add('MatMul', [operand, draft.numbers(shape, -spread, spread)]);
};

/** The product of a value with itself, turned: attention in small. */
const attention: Maker = (draft, value) => {
  const rank = value.shape.length;
  if (!isFloat(value) || rank < 2) return false;
  const axes = value.shape.map((_, axis) => axis);
  const turned = [...axes.slice(0, -2), rank - 1, rank - 2];
  if (!draft.add('Transpose', [value], { perm: ints(...turned) })) return false;
  return draft.add('MatMul', [value, draft.values.at(-1)!]);
};

const matMulInteger: Maker = (draft, value) => {
  if (!isFloat(value) || value.shape.length < 2 || draft.opset < 10 || draft.isQuantized) return false;
  const { random } = draft;
  const zero = draft.scalar('uint8', 120);
  const scale = draft.scalar('float32', 0.05);
  if (!draft.add('QuantizeLinear', [value, scale, zero])) return false;
  const data = draft.values.at(-1)!;
  const shape = [value.shape.at(-1)!, 4];
  const weight = draft.constant(wholeNumbers('uint8', shape, random.integer(0, 2 ** 30), 0, 200));
  if (random.chance(0.5)) {
    const zeroes = random.chance(0.5) ? draft.constant(wholeNumbers('uint8', [4], 5, 90, 110)) : zero;
    return draft.add('MatMulInteger', [data, weight, zero, zeroes]);
  }
  return draft.add('QLinearMatMul', [data, scale, zero, weight, scale, zero, draft.scalar('float32', 0.1), zero]);
};

const topK: Maker = (draft, value) => {
  if (!isFloat(value) || draft.opset < 10 || value.shape.length === 0) return false;
  const axis = draft.random.integer(0, value.shape.length - 1);
  return draft.add(
    'TopK',
    [value, draft.integers(draft.random.integer(1, value.shape[axis]!))],
    { axis: int(axis) },
    2,
  );
};

export const SHAPING: Readonly<Record<string, Maker>> = {
  concat,
  split,
  slice,
  pad,
  transpose,
  reshape,
  flatten,
  squeeze,
  unsqueeze,
  resize,
  depthToSpace,
  spaceToDepth,
  gatherAlong,
  embedding,
  expand,
  tile,
  gemm,
  matMul,
  attention,
  matMulInteger,
  topK,
};
