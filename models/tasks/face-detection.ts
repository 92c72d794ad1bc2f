/**
 * Faces from the predictions of BlazeFace (Bazarevsky et al., "BlazeFace: sub-millisecond neural face detection on mobile
 * GPUs", 2019): each cell of each grid tells of a few boxes, as offsets in pixels from the middle of the cell, with points
 * of the face. Boxes that overlap are not dropped but averaged, by their scores (section 3, "Post-processing").
 */
import { MeshError } from '../../src/core/errors.ts';
import { float32Values, type Shape, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { Answer, DetectedFace } from './answer.ts';
import { boxInPicture, inPlace, overlap, pointInPicture, type Box } from './boxes.ts';
import type { Placement } from './image.ts';
import type { FaceDetectionTask } from './task.ts';

/** Faces in an answer; the most probable are kept. */
const MAX_FACES = 100;
/** Boxes that are compared with each other; the most probable are kept. */
const MAX_CANDIDATES = 1000;
/** Middle and extents of a box, before its points. */
const BOX_NUMBERS = 4;

/** In pixels of the network's input. */
interface Candidate {
  readonly score: number;
  /** Middle x and y, width and height, then x and y of each point. */
  readonly numbers: readonly number[];
}

/**
 * @param outputs for each grid, scores before the sigmoid: float32 [1, boxes, 1], and boxes: float32 [1, boxes, 4 + 2 * points]
 * @param input size of the picture that the network was given
 * @param placement where the picture lies in it; absent: it is the picture
 */
export function findFaces(
  task: Pick<FaceDetectionTask, 'grids' | 'points' | 'scoreThreshold' | 'overlapThreshold'>,
  outputs: (name: string) => Tensor,
  input: { readonly width: number; readonly height: number },
  placement: Placement | undefined,
): Answer {
  const found = task.grids.flatMap((grid) => candidatesOf(task, grid, outputs, input));
  const sorted = found.sort((a, b) => b.score - a.score).slice(0, MAX_CANDIDATES);
  const faces = averaged(sorted, task.overlapThreshold).slice(0, MAX_FACES);
  return { kind: 'faces', faces: faces.map((face) => detected(face, task.points, placement ?? inPlace(input))) };
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

const hasShape = ({ shape }: Tensor, wanted: Shape): boolean =>
  shape.length === wanted.length && shape.every((extent, axis) => extent === wanted[axis]);

function candidatesOf(
  { points, scoreThreshold }: Pick<FaceDetectionTask, 'points' | 'scoreThreshold'>,
  { scores, boxes, rows, columns, boxesPerCell }: FaceDetectionTask['grids'][number],
  outputs: (name: string) => Tensor,
  input: { readonly width: number; readonly height: number },
): Candidate[] {
  const count = rows * columns * boxesPerCell;
  const length = BOX_NUMBERS + 2 * points.length;
  if (!hasShape(outputs(scores), [1, count, 1]) || !hasShape(outputs(boxes), [1, count, length])) {
    throw new MeshError(
      'INVALID_MODEL',
      `the outputs "${scores}" and "${boxes}" are not a score and ${length} numbers for each of ${count} boxes: import the model as tensors`,
    );
  }
  const values = float32Values(outputs(boxes));
  const found: Candidate[] = [];
  for (const [index, logit] of float32Values(outputs(scores)).entries()) {
    const score = sigmoid(logit);
    if (!(score >= scoreThreshold)) continue;
    const cell = Math.floor(index / boxesPerCell);
    const middle = [
      (((cell % columns) + 0.5) * input.width) / columns,
      ((Math.floor(cell / columns) + 0.5) * input.height) / rows,
    ];
    const own = Array.from(values.subarray(index * length, (index + 1) * length));
    if (!own.every(Number.isFinite)) continue;
    // All are pairs of x and y; width and height alone are no places.
    const numbers = own.map((value, at) => (at === 2 || at === 3 ? value : value + middle[at % 2]!));
    found.push({ score, numbers });
  }
  return found;
}

function boxOf({ numbers }: Candidate): Box {
  const [x, y, width, height] = numbers as [number, number, number, number];
  return { left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2 };
}

/** Each candidate takes in those less probable that overlap it; it keeps its own score. @param sorted the most probable first */
function averaged(sorted: readonly Candidate[], overlapThreshold: number): Candidate[] {
  const faces: Candidate[] = [];
  let rest = sorted;
  while (rest.length > 0) {
    const best = rest[0]!;
    const isOfBest = (other: Candidate): boolean =>
      other === best || overlap(boxOf(best), boxOf(other)) > overlapThreshold;
    const group = rest.filter(isOfBest);
    const weight = group.reduce((sum, { score }) => sum + score, 0);
    const mean = (at: number): number =>
      group.reduce((sum, { score, numbers }) => sum + score * numbers[at]!, 0) / weight;
    faces.push({ score: best.score, numbers: best.numbers.map((_, at) => mean(at)) });
    rest = rest.filter((other) => !isOfBest(other));
  }
  return faces;
}

function detected(face: Candidate, points: readonly string[], placement: Placement): DetectedFace {
  const named = points.map((name, index) => {
    const at = BOX_NUMBERS + 2 * index;
    const [x, y] = pointInPicture(placement, [face.numbers[at]!, face.numbers[at + 1]!]);
    return { name, x, y };
  });
  return { score: face.score, ...boxInPicture(placement, boxOf(face)), points: named };
}
