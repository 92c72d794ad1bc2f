/**
 * What a model is for: how a picture, a text or an array becomes its input, and its output an answer for people. Plain
 * data that travels inside manifests, so whatever reads one checks it with `parseTask`: it may come from a stranger.
 */
import * as v from 'valibot';
import { MeshError } from '../../src/core/errors.ts';
import { imageSpecSchema, MAX_SIDE, type ImageSpec } from './image-spec.ts';
import { seriesSpecSchema, type SeriesSpec } from './series.ts';
import { textSpecSchema, type TextSpec } from './text.ts';

export type { ImageSize, ImageSpec } from './image-spec.ts';
export type { SeriesSpec } from './series.ts';
export type { TextSpec } from './text.ts';

const MAX_NAME_LENGTH = 512;
const MAX_LABELS = 65_536;
const MAX_LABEL_LENGTH = 256;
const MAX_ANCHORS = 64;
const MAX_POINTS = 512;

/** Tensors in, tensors out. */
export interface TensorsTask {
  readonly kind: 'tensors';
}

/** How class scores are read. */
export interface Classes {
  /** One per class; empty where the classes have no names. */
  readonly labels: readonly string[];
  /** The output is probabilities already; otherwise logits. */
  readonly isSoftmaxed: boolean;
  /** Number of classes in the answer, the likeliest first. */
  readonly topK: number;
}

export interface ImageClassificationTask extends Classes {
  readonly kind: 'image-classification';
  /** Names of the graph's input and output. */
  readonly input: string;
  readonly output: string;
  readonly image: ImageSpec;
}

export interface TextClassificationTask extends Classes {
  readonly kind: 'text-classification';
  readonly input: string;
  readonly output: string;
  readonly text: TextSpec;
}

/** The output is [batch, horizon, steps] or [batch, horizon]; the last step is the end of the series. */
export interface ForecastingTask {
  readonly kind: 'forecasting';
  readonly input: string;
  readonly output: string;
  readonly series: SeriesSpec;
}

/** YOLOv2: the output is [batch, anchors * (5 + classes), rows, columns]. */
export interface ObjectDetectionTask {
  readonly kind: 'object-detection';
  readonly input: string;
  readonly output: string;
  /** Of fixed size. */
  readonly image: ImageSpec;
  readonly labels: readonly string[];
  /** Width and height, in cells of the grid. */
  readonly anchors: readonly (readonly [width: number, height: number])[];
  /** Objects that are less probable are dropped. */
  readonly scoreThreshold: number;
  /** Of two boxes of a class that share more of what they cover together, one is dropped. */
  readonly overlapThreshold: number;
}

/** BlazeFace: a score and a box with points for each of the boxes that a cell of a grid tells of. */
export interface FaceDetectionTask {
  readonly kind: 'face-detection';
  readonly input: string;
  /** Of fixed size. */
  readonly image: ImageSpec;
  readonly grids: readonly {
    /** Output [1, rows * columns * boxesPerCell, 1]. */
    readonly scores: string;
    /** Output [1, rows * columns * boxesPerCell, 4 + 2 * points]. */
    readonly boxes: string;
    readonly rows: number;
    readonly columns: number;
    readonly boxesPerCell: number;
  }[];
  /** Names of the points of a face, in the order of the output. */
  readonly points: readonly string[];
  /** Faces that are less probable are dropped. */
  readonly scoreThreshold: number;
  /** Boxes that share more than this of what they cover together are one face. */
  readonly overlapThreshold: number;
}

/** Differentiable binarisation, as PP-OCR detection: the output is a map of the probability that a pixel is text. */
export interface TextDetectionTask {
  readonly kind: 'text-detection';
  readonly input: string;
  readonly output: string;
  readonly image: ImageSpec;
  /** Pixels above it are text. */
  readonly binaryThreshold: number;
  /** Boxes whose mean probability is below are dropped. */
  readonly boxThreshold: number;
  /** How far the shrunken boxes of training are grown again: distance = area * ratio / perimeter. */
  readonly unclipRatio: number;
}

/** One line of text; the output is [batch, steps, 1 + characters], probabilities with the CTC blank at index 0. */
export interface TextRecognitionTask {
  readonly kind: 'text-recognition';
  readonly input: string;
  readonly output: string;
  readonly image: ImageSpec;
  /** The character of output index i stands at i - 1. */
  readonly characters: readonly string[];
}

export type TaskSpec =
  | TensorsTask
  | ImageClassificationTask
  | TextClassificationTask
  | ForecastingTask
  | ObjectDetectionTask
  | FaceDetectionTask
  | TextDetectionTask
  | TextRecognitionTask;
export type TaskKind = TaskSpec['kind'];

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_NAME_LENGTH));
const label = v.pipe(v.string(), v.maxLength(MAX_LABEL_LENGTH));
const fraction = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const anchor = v.pipe(v.number(), v.finite(), v.minValue(0));
const port = { input: name, output: name };
const classes = {
  labels: v.pipe(v.array(label), v.maxLength(MAX_LABELS)),
  isSoftmaxed: v.boolean(),
  topK: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)),
};

const cells = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_SIDE));
const fixedImage = v.pipe(
  imageSpecSchema,
  v.check((image) => image.size.kind === 'fixed', 'the picture of a detector needs a fixed size'),
);

/** Adding a kind: its interface above, its member here, and its entry in `preprocess` and `postprocess`. */
export const taskSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('tensors') }),
  v.strictObject({
    kind: v.literal('image-classification'),
    ...port,
    image: imageSpecSchema,
    ...classes,
  }),
  v.strictObject({ kind: v.literal('text-classification'), ...port, text: textSpecSchema, ...classes }),
  v.strictObject({ kind: v.literal('forecasting'), ...port, series: seriesSpecSchema }),
  v.strictObject({
    kind: v.literal('object-detection'),
    ...port,
    image: fixedImage,
    labels: v.pipe(v.array(label), v.minLength(1), v.maxLength(MAX_LABELS)),
    anchors: v.pipe(v.array(v.strictTuple([anchor, anchor])), v.minLength(1), v.maxLength(MAX_ANCHORS)),
    scoreThreshold: fraction,
    overlapThreshold: fraction,
  }),
  v.strictObject({
    kind: v.literal('face-detection'),
    input: name,
    image: fixedImage,
    grids: v.pipe(
      v.array(v.strictObject({ scores: name, boxes: name, rows: cells, columns: cells, boxesPerCell: cells })),
      v.minLength(1),
      v.maxLength(MAX_ANCHORS),
    ),
    points: v.pipe(v.array(label), v.maxLength(MAX_POINTS)),
    scoreThreshold: fraction,
    overlapThreshold: fraction,
  }),
  v.strictObject({
    kind: v.literal('text-detection'),
    ...port,
    image: imageSpecSchema,
    binaryThreshold: fraction,
    boxThreshold: fraction,
    unclipRatio: v.pipe(v.number(), v.minValue(0), v.maxValue(10)),
  }),
  v.strictObject({
    kind: v.literal('text-recognition'),
    ...port,
    image: imageSpecSchema,
    characters: v.pipe(v.array(label), v.minLength(1), v.maxLength(MAX_LABELS)),
  }),
]) satisfies v.GenericSchema<unknown, TaskSpec>;

/** The outputs of the network that the answer is read from; all, where the task names none. */
export function outputsRead(task: TaskSpec): readonly string[] {
  if (task.kind === 'tensors') return [];
  return task.kind === 'face-detection' ? task.grids.flatMap(({ scores, boxes }) => [scores, boxes]) : [task.output];
}

/** @throws MeshError INVALID_MODEL naming the first field that is wrong. */
export function parseTask(value: unknown): TaskSpec {
  const result = v.safeParse(taskSchema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue) ?? 'task';
  throw new MeshError('INVALID_MODEL', `the task of the model is not valid at ${path}: ${issue.message}`);
}
