/**
 * A grid of predictions to boxes around objects, as YOLOv2 has them (Redmon and Farhadi, "YOLO9000: better, faster,
 * stronger", CVPR 2017, section 2, "Direct location prediction"): each cell tells of one box per anchor. Of boxes of the
 * same class that overlap, the most probable stays.
 */
import { MeshError } from '../../src/core/errors.ts';
import { float32Values, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { Answer } from './answer.ts';
import { boxInPicture, inPlace, overlap, type Box } from './boxes.ts';
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

/** Sides in pixels of the network's input. */
interface Candidate extends Box {
  readonly index: number;
  readonly score: number;
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
  const at = placement ?? inPlace(input);
  const objects = withoutDoubles(candidates(task, grid, input), task.overlapThreshold)
    .slice(0, MAX_OBJECTS)
    .map(({ index, score, ...box }) => ({ label: task.labels[index]!, score, ...boxInPicture(at, box) }));
  return { kind: 'objects', objects };
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

function candidates(
  { anchors, labels, scoreThreshold }: Detection,
  grid: Tensor,
  input: { readonly width: number; readonly height: number },
): Candidate[] {
  const [, , rows, columns] = grid.shape as [number, number, number, number];
  const cells = rows * columns;
  const [cellWidth, cellHeight] = [input.width / columns, input.height / rows];
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
      const x = ((cell % columns) + sigmoid(at(0))) * cellWidth;
      const y = (Math.floor(cell / columns) + sigmoid(at(1))) * cellHeight;
      const halfWidth = (anchorWidth * Math.exp(at(2)) * cellWidth) / 2;
      const halfHeight = (anchorHeight * Math.exp(at(3)) * cellHeight) / 2;
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
