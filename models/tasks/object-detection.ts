/**
 * A grid of predictions to boxes around objects, as YOLOv2 has them (Redmon and Farhadi, "YOLO9000: better, faster,
 * stronger", CVPR 2017, section 2, "Direct location prediction"): each cell tells of one box per anchor. Of boxes of the
 * same class that overlap, the most probable stays.
 */
import { MeshError } from '../../src/core/errors.ts';
import { float32Values, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { Answer, DetectedObject } from './answer.ts';
import { softmax } from './classify.ts';
import type { Placement } from './image.ts';
import type { ObjectDetectionTask } from './task.ts';

/** Objects in an answer; the most probable are kept. */
const MAX_OBJECTS = 100;
/** Boxes that are compared with each other; the most probable are kept. */
const MAX_CANDIDATES = 1000;
/** Offsets, extents and objectness of a box, before its classes. */
const BOX_NUMBERS = 5;

type Detection = Pick<ObjectDetectionTask, 'labels' | 'anchors' | 'scoreThreshold' | 'overlapThreshold'>;

/** Corners in shares of the network's input. */
interface Candidate {
  readonly index: number;
  readonly score: number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * @param grid float32 [1, anchors * (5 + classes), rows, columns]: for each anchor x, y, width, height, objectness, classes
 * @param input size of the picture that the network was given
 * @param placement where the picture lies in it; absent: it is the picture
 */
export function findObjects(
  task: Detection,
  grid: Tensor,
  input: { readonly width: number; readonly height: number },
  placement: Placement | undefined,
): Answer {
  const [batch, channels] = grid.shape;
  if (grid.shape.length !== 4 || batch !== 1 || channels !== task.anchors.length * (BOX_NUMBERS + task.labels.length)) {
    throw new MeshError(
      'INVALID_MODEL',
      `${task.anchors.length} anchors and ${task.labels.length} classes do not fit the shape [${grid.shape.join(', ')}]: import the model as tensors`,
    );
  }
  const objects = withoutDoubles(candidates(task, grid), task.overlapThreshold)
    .slice(0, MAX_OBJECTS)
    .map((candidate) => detected(candidate, task.labels, input, placement));
  return { kind: 'objects', objects };
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

function candidates({ anchors, labels, scoreThreshold }: Detection, grid: Tensor): Candidate[] {
  const [, , rows, columns] = grid.shape as [number, number, number, number];
  const cells = rows * columns;
  const values = float32Values(grid);
  const found: Candidate[] = [];
  for (const [anchor, [anchorWidth, anchorHeight]] of anchors.entries()) {
    for (let cell = 0; cell < cells; cell++) {
      const at = (number: number): number => values[(anchor * (BOX_NUMBERS + labels.length) + number) * cells + cell]!;
      const objectness = sigmoid(at(4));
      if (!(objectness >= scoreThreshold)) continue;
      const classes = softmax(labels.map((_, index) => at(BOX_NUMBERS + index)));
      const index = classes.indexOf(Math.max(...classes));
      const score = objectness * classes[index]!;
      if (!(score >= scoreThreshold)) continue;
      const x = ((cell % columns) + sigmoid(at(0))) / columns;
      const y = (Math.floor(cell / columns) + sigmoid(at(1))) / rows;
      const halfWidth = (anchorWidth * Math.exp(at(2))) / columns / 2;
      const halfHeight = (anchorHeight * Math.exp(at(3))) / rows / 2;
      found.push({
        index,
        score,
        left: x - halfWidth,
        top: y - halfHeight,
        right: x + halfWidth,
        bottom: y + halfHeight,
      });
    }
  }
  return found.sort((a, b) => b.score - a.score).slice(0, MAX_CANDIDATES);
}

/** Those that no more probable one of the same class covers. @param sorted the most probable first */
function withoutDoubles(sorted: readonly Candidate[], overlapThreshold: number): Candidate[] {
  const kept: Candidate[] = [];
  for (const candidate of sorted) {
    const isDouble = kept.some(
      (other) => other.index === candidate.index && overlap(other, candidate) > overlapThreshold,
    );
    if (!isDouble) kept.push(candidate);
  }
  return kept;
}

/** Intersection over union. */
function overlap(a: Candidate, b: Candidate): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Candidate): number => (box.right - box.left) * (box.bottom - box.top);
  return (width * height) / (area(a) + area(b) - width * height);
}

function detected(
  { index, score, ...box }: Candidate,
  labels: readonly string[],
  { width, height }: { readonly width: number; readonly height: number },
  placement: Placement | undefined,
): DetectedObject {
  const { scaleX, scaleY, offsetX, offsetY, pictureWidth, pictureHeight } = placement ?? {
    scaleX: 1,
    scaleY: 1,
    offsetX: 0,
    offsetY: 0,
    pictureWidth: width,
    pictureHeight: height,
  };
  const x = (share: number): number => clamp((share * width - offsetX) / scaleX, pictureWidth);
  const y = (share: number): number => clamp((share * height - offsetY) / scaleY, pictureHeight);
  return {
    label: labels[index]!,
    score,
    left: x(box.left),
    top: y(box.top),
    right: x(box.right),
    bottom: y(box.bottom),
  };
}

const clamp = (value: number, most: number): number => Math.min(most, Math.max(0, Math.round(value)));
