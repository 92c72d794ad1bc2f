/** Plans come from the network: structure and bounds are checked before anything is derived from one. */
import { MeshError } from '../errors.ts';
import { intersect, isEmpty, volume, wholeRegion, type Region } from '../geometry/region.ts';
import type { BoundGraph } from '../graph/bind.ts';
import { asPeerId, isModelId } from '../ids.ts';
import { isDataType } from '../tensor/data-type.ts';
import { blockOutputs } from './boundaries.ts';
import { PLAN_SCHEMA, type Block, type Part, type Plan } from './plan.ts';

const MAX_PARTICIPANTS = 1024;
const MAX_BLOCKS = 4096;
const MAX_RANK = 8;

const fail = (what: string): never => {
  throw new MeshError('INVALID_MESSAGE', `not a valid plan: ${what}`);
};

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const object = (value: unknown, what: string): Json => (isObject(value) ? value : fail(`${what} is not an object`));
const list = (value: unknown, what: string, most: number): readonly unknown[] =>
  Array.isArray(value) && value.length <= most ? value : fail(`${what} is not a list of at most ${most}`);
const count = (value: unknown, what: string, most = Number.MAX_SAFE_INTEGER): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most
    ? value
    : fail(`${what} is not a number from 0 to ${most}`);
const text = (value: unknown, what: string): string =>
  typeof value === 'string' && value.length <= 512 ? value : fail(`${what} is not a text`);
const milliseconds = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);

function parseRegion(value: unknown, what: string): Region | null {
  if (value === null) return null;
  return list(value, what, MAX_RANK).map((own) => {
    const { start, end } = object(own, what);
    const interval = { start: count(start, what), end: count(end, what) };
    return interval.start < interval.end ? interval : fail(`${what} is empty`);
  });
}

function parsePart(value: unknown, participants: number): Part {
  const part = object(value, 'a part');
  const outputs = Object.entries(object(part.outputs, 'outputs of a part')).map(
    ([name, region]) => [text(name, 'a tensor name'), parseRegion(region, `the region of "${name}"`)] as const,
  );
  return {
    participant: count(part.participant, 'a participant', participants - 1),
    outputs: Object.fromEntries(outputs),
    predictedMs: milliseconds(part.predictedMs),
  };
}

function parseBlock(value: unknown, participants: number): Block {
  const block = object(value, 'a block');
  const cut = object(block.cut, 'a cut');
  const numbers = (own: unknown): number[] =>
    list(own, 'a cut', 2).map((axis) => count(axis, 'a cut', MAX_PARTICIPANTS));
  return {
    first: count(block.first, 'the first step of a block'),
    last: count(block.last, 'the last step of a block'),
    cut: { axes: numbers(cut.axes), counts: numbers(cut.counts) },
    parts: list(block.parts, 'parts', MAX_PARTICIPANTS).map((part) => parsePart(part, participants)),
  };
}

/** A plan from decoded JSON. @throws MeshError INVALID_MESSAGE naming what is wrong. */
export function parsePlan(value: unknown): Plan {
  const plan = object(value, 'it');
  if (plan.schema !== PLAN_SCHEMA) fail(`its schema is not ${PLAN_SCHEMA}`);
  const modelId = text(plan.modelId, 'modelId');
  if (!isModelId(modelId)) return fail('modelId is not 64 hexadecimal digits');
  const participants = list(plan.participants, 'participants', MAX_PARTICIPANTS).map((peer) =>
    asPeerId(text(peer, 'a participant')),
  );
  const inputs = Object.entries(object(plan.inputs, 'inputs')).map(([name, own]) => {
    const spec = object(own, 'an input');
    const type = text(spec.type, 'a type');
    if (!isDataType(type)) return fail(`"${type}" is not an element type`);
    return [
      name,
      { type, shape: list(spec.shape, 'a shape', MAX_RANK).map((extent) => count(extent, 'an extent')) },
    ] as const;
  });
  const { arithmetic } = plan;
  if (arithmetic !== 'exact' && arithmetic !== 'fast') return fail('its arithmetic is neither exact nor fast');
  return {
    schema: PLAN_SCHEMA,
    modelId,
    inputs: Object.fromEntries(inputs),
    arithmetic,
    participants,
    blocks: list(plan.blocks, 'blocks', MAX_BLOCKS).map((block) => parseBlock(block, participants.length)),
    predictedMs: milliseconds(plan.predictedMs),
    singleMs: milliseconds(plan.singleMs),
  };
}

/** Whether the regions are disjoint, inside the whole and together all of it. */
function isPartition(regions: readonly Region[], full: Region): boolean {
  const inside = regions.every((own) => own.length === full.length && volume(intersect(own, full)) === volume(own));
  const total = regions.reduce((sum, own) => sum + volume(own), 0);
  return (
    inside &&
    total === volume(full) &&
    regions.every((own, index) => regions.slice(index + 1).every((other) => isEmpty(intersect(own, other))))
  );
}

/** Checks that a plan fits a graph: all steps covered in order, every output of every block partitioned. */
export function checkPlan(bound: BoundGraph, plan: Plan): void {
  let next = 0;
  for (const [index, block] of plan.blocks.entries()) {
    if (block.first !== next || block.last < block.first || block.last >= bound.steps.length) {
      fail(`block ${index} covers steps ${block.first} to ${block.last}, but step ${next} is next`);
    }
    next = block.last + 1;
    for (const name of blockOutputs(bound, block)) {
      const regions = block.parts.map((part) => part.outputs[name]);
      const shape = bound.shapes.get(name);
      if (shape === undefined) {
        if (regions.length !== 1 || regions[0] !== null) fail(`block ${index} cuts "${name}", whose shape is unknown`);
      } else if (!regions.every((region) => region != null) || !isPartition(regions, wholeRegion(shape))) {
        fail(`block ${index} does not cut "${name}" into disjoint regions that cover it`);
      }
    }
  }
  if (next !== bound.steps.length) fail(`it ends at step ${next} of ${bound.steps.length}`);
}
