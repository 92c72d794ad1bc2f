/**
 * A plan as it crosses the wire: JSON in UTF-8, with names written once and each part as one flat list of numbers. That is a
 * third of the plain object, and it is what a plan's digest is taken of. Plans come from the network: structure and bounds
 * are checked before anything is derived from one.
 *
 * A part is `[participant, predicted ms, output, output, ...]`; an output is `tensor, rank, start, end, start, end, ...`,
 * with the tensor as an index in `tensors`, and rank -1 for a whole value of unknown size.
 */
import type { Region } from '../geometry/region.ts';
import type { InputSpec } from '../graph/bind.ts';
import { asPeerId, isModelId } from '../ids.ts';
import { isDataType } from '../tensor/data-type.ts';
import { PLAN_SCHEMA, type Block, type Part, type Plan } from './plan.ts';
import { noPlan } from './validate.ts';

const MAX_PARTICIPANTS = 1024;
const MAX_BLOCKS = 4096;
const MAX_RANK = 8;
/** Outputs of one block, and names of tensors in a plan. */
const MAX_OUTPUTS = 256;
const MAX_TENSORS = MAX_BLOCKS * 4;
const MAX_FILTERED = 4096;
const MAX_PART_NUMBERS = 2 + MAX_OUTPUTS * (2 + 2 * MAX_RANK);
const UNKNOWN_SIZE = -1;

/** To a hundredth of a millisecond: a prediction is not more exact, and digits cost bytes. */
const rounded = (ms: number): number => Math.round(ms * 100) / 100;

/** The same plan gives the same bytes everywhere. */
export function encodePlan({ inputs, blocks, ...plan }: Plan): Uint8Array {
  const numbers = new Map<string, number>();
  const numberOf = (name: string): number => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  };
  const encoded = blocks.map(({ first, last, cut, parts }) => [
    first,
    last,
    cut.axes,
    cut.counts,
    parts.map((part) => encodePart(part, numberOf)),
  ]);
  const wire = {
    ...plan,
    predictedMs: rounded(plan.predictedMs),
    singleMs: rounded(plan.singleMs),
    inputs,
    tensors: [...numbers.keys()],
    blocks: encoded,
  };
  return new TextEncoder().encode(JSON.stringify(wire));
}

function encodePart({ participant, predictedMs, outputs }: Part, numberOf: (name: string) => number): number[] {
  const numbers = [participant, rounded(predictedMs)];
  for (const [name, region] of Object.entries(outputs)) {
    numbers.push(numberOf(name), region?.length ?? UNKNOWN_SIZE);
    for (const { start, end } of region ?? []) numbers.push(start, end);
  }
  return numbers;
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const object = (value: unknown, what: string): Json => (isObject(value) ? value : noPlan(`${what} is not an object`));
const list = (value: unknown, what: string, most: number): readonly unknown[] =>
  Array.isArray(value) && value.length <= most ? value : noPlan(`${what} is not a list of at most ${most}`);
const count = (value: unknown, what: string, most = Number.MAX_SAFE_INTEGER): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most
    ? value
    : noPlan(`${what} is not a number from 0 to ${most}`);
const text = (value: unknown, what: string): string =>
  typeof value === 'string' && value.length <= 512 ? value : noPlan(`${what} is not a text`);
const milliseconds = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);

/** @throws MeshError INVALID_MESSAGE naming what is wrong. */
export function decodePlan(encoded: Uint8Array): Plan {
  const plan = object(parseJson(encoded), 'it');
  if (plan.schema !== PLAN_SCHEMA) noPlan(`its schema is not ${PLAN_SCHEMA}`);
  const modelId = text(plan.modelId, 'modelId');
  if (!isModelId(modelId)) return noPlan('modelId is not 64 hexadecimal digits');
  const participants = list(plan.participants, 'participants', MAX_PARTICIPANTS).map((peer) =>
    asPeerId(text(peer, 'a participant')),
  );
  const { arithmetic } = plan;
  if (arithmetic !== 'exact' && arithmetic !== 'fast') return noPlan('its arithmetic is neither exact nor fast');
  const tensors = list(plan.tensors, 'tensors', MAX_TENSORS).map((name) => text(name, 'a tensor name'));
  return {
    schema: PLAN_SCHEMA,
    modelId,
    inputs: decodeInputs(plan.inputs),
    arithmetic,
    ...(arithmetic === 'fast' ? { filtered: decodeFiltered(plan.filtered) } : {}),
    participants,
    blocks: list(plan.blocks, 'blocks', MAX_BLOCKS).map((block) => decodeBlock(block, participants.length, tensors)),
    predictedMs: milliseconds(plan.predictedMs),
    singleMs: milliseconds(plan.singleMs),
  };
}

const decodeFiltered = (value: unknown): string[] =>
  list(value, 'filtered', MAX_FILTERED).map((name) => text(name, 'the name of a convolution'));

function parseJson(encoded: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(encoded));
  } catch (cause) {
    return noPlan('it is not JSON', cause);
  }
}

function decodeInputs(value: unknown): Record<string, InputSpec> {
  const inputs = Object.entries(object(value, 'inputs')).map(([name, own]) => {
    const spec = object(own, 'an input');
    const type = text(spec.type, 'a type');
    if (!isDataType(type)) return noPlan(`"${type}" is not an element type`);
    const shape = list(spec.shape, 'a shape', MAX_RANK).map((extent) => count(extent, 'an extent'));
    return [name, { type, shape }] as const;
  });
  return Object.fromEntries(inputs);
}

function decodeBlock(value: unknown, participants: number, tensors: readonly string[]): Block {
  const [first, last, axes, counts, parts] = list(value, 'a block', 5);
  const numbers = (own: unknown): number[] =>
    list(own, 'a cut', 2).map((axis) => count(axis, 'a cut', MAX_PARTICIPANTS));
  return {
    first: count(first, 'the first step of a block'),
    last: count(last, 'the last step of a block'),
    cut: { axes: numbers(axes), counts: numbers(counts) },
    parts: list(parts, 'parts', MAX_PARTICIPANTS).map((part) => decodePart(part, participants, tensors)),
  };
}

function decodePart(value: unknown, participants: number, tensors: readonly string[]): Part {
  const numbers = list(value, 'a part', MAX_PART_NUMBERS);
  const outputs: [string, Region | null][] = [];
  for (let at = 2; at < numbers.length;) {
    const name = tensors[count(numbers[at], 'a tensor', tensors.length - 1)]!;
    const rank = numbers[at + 1];
    at += 2;
    if (rank === UNKNOWN_SIZE) {
      outputs.push([name, null]);
      continue;
    }
    const axes = count(rank, 'a rank', MAX_RANK);
    outputs.push([name, decodeRegion(numbers.slice(at, at + 2 * axes), axes, `the region of "${name}"`)]);
    at += 2 * axes;
  }
  return {
    participant: count(numbers[0], 'a participant', participants - 1),
    outputs: Object.fromEntries(outputs),
    predictedMs: milliseconds(numbers[1]),
  };
}

function decodeRegion(bounds: readonly unknown[], axes: number, what: string): Region {
  return Array.from({ length: axes }, (_, axis) => {
    const start = count(bounds[2 * axis], what);
    const end = count(bounds[2 * axis + 1], what);
    return start < end ? { start, end } : noPlan(`${what} is empty`);
  });
}
