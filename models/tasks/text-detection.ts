/**
 * A map of text probability to boxes around words and lines (Liao et al. 2020, "Real-time scene text detection with
 * differentiable binarization", section 3.4). Boxes are upright rectangles: text at an angle gets a box larger than it.
 */
import { MeshError } from '../../src/core/errors.ts';
import { float32Values, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { Answer, TextBox } from './answer.ts';
import { boxInPicture, inPlace } from './boxes.ts';
import type { Placement } from './image.ts';
import type { TextDetectionTask } from './task.ts';

/** Boxes in an answer; the most probable are kept. */
const MAX_BOXES = 1000;
/** Sides in pixels of the map below which a component is noise. */
const MIN_SIDE = 3;

interface Component {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** @param map float32 [1, 1, height, width] */
export function findText(
  task: Pick<TextDetectionTask, 'binaryThreshold' | 'boxThreshold' | 'unclipRatio'>,
  map: Tensor,
  placement: Placement | undefined,
): Answer {
  const [batch, channels, height, width] = map.shape;
  if (map.shape.length !== 4 || batch !== 1 || channels !== 1 || height === undefined || width === undefined) {
    throw new MeshError(
      'INVALID_MODEL',
      `a text map has the shape [1, 1, height, width], not [${map.shape.join(', ')}]`,
    );
  }
  const probabilities = float32Values(map);
  const boxes = components(probabilities, width, height, task.binaryThreshold)
    .filter((box) => Math.min(box.right - box.left, box.bottom - box.top) >= MIN_SIDE)
    .map((box) => ({ box: unclip(box, task.unclipRatio), score: meanInside(probabilities, width, box) }))
    .filter(({ score }) => score >= task.boxThreshold)
    .sort((a, b) => b.score - a.score)
    .slice(0, MAX_BOXES)
    .map(({ box, score }) => textBox(box, score, placement ?? inPlace({ width, height })));
  return { kind: 'boxes', boxes: readingOrder(boxes) };
}

/** Bounding boxes of the 8-connected areas above the threshold. */
function components(map: Float32Array, width: number, height: number, threshold: number): Component[] {
  const isPending = Uint8Array.from(map, (value) => (value > threshold ? 1 : 0));
  const pending = new Int32Array(map.length);
  const found: Component[] = [];
  for (let start = 0; start < map.length; start++) {
    if (isPending[start] === 0) continue;
    const box: Component = { left: width, top: height, right: 0, bottom: 0 };
    let depth = 0;
    pending[depth++] = start;
    isPending[start] = 0;
    while (depth > 0) {
      const index = pending[--depth]!;
      const x = index % width;
      const y = (index - x) / width;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
      for (let nextY = Math.max(0, y - 1); nextY <= Math.min(height - 1, y + 1); nextY++) {
        for (let nextX = Math.max(0, x - 1); nextX <= Math.min(width - 1, x + 1); nextX++) {
          const next = nextY * width + nextX;
          if (isPending[next] === 0) continue;
          isPending[next] = 0;
          pending[depth++] = next;
        }
      }
    }
    found.push(box);
  }
  return found;
}

function meanInside(map: Float32Array, width: number, box: Component): number {
  let sum = 0;
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) sum += map[y * width + x]!;
  }
  return sum / ((box.right - box.left) * (box.bottom - box.top));
}

function unclip(box: Component, ratio: number): Component {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  const distance = (width * height * ratio) / (2 * (width + height));
  return {
    left: box.left - distance,
    top: box.top - distance,
    right: box.right + distance,
    bottom: box.bottom + distance,
  };
}

function textBox(box: Component, score: number, at: Placement): TextBox {
  const { left, top, right, bottom } = boxInPicture(at, box);
  return {
    points: [
      [left, top],
      [right, top],
      [right, bottom],
      [left, bottom],
    ],
    score,
  };
}

/** Line by line from the top, each from the left; boxes whose middle lies within the height of another share its line. */
function readingOrder(boxes: readonly TextBox[]): TextBox[] {
  const top = (box: TextBox): number => box.points[0][1];
  const bottom = (box: TextBox): number => box.points[2][1];
  const lines: TextBox[][] = [];
  for (const box of boxes.toSorted((a, b) => top(a) - top(b))) {
    const middle = (top(box) + bottom(box)) / 2;
    const line = lines.at(-1);
    if (line !== undefined && middle <= bottom(line[0]!)) line.push(box);
    else lines.push([box]);
  }
  return lines.flatMap((line) => line.sort((a, b) => a.points[0][0] - b.points[0][0]));
}
