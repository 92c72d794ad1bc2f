import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Answer, DetectedObject } from '../../../../models/tasks/answer.ts';
import { findObjects } from '../../../../models/tasks/object-detection.ts';
import { TINY_YOLO_V2_TASK } from '../../../../models/zoo/tiny-yolo-v2/network.ts';
import { fromFloat32, type Tensor } from '../../../../src/core/tensor/tensor.ts';

const TASK = {
  labels: ['cat', 'dog'],
  anchors: [
    [1, 1],
    [2, 4],
  ],
  scoreThreshold: 0.5,
  overlapThreshold: 0.45,
} as const;
const SIDE = 4;
const INPUT = { width: 400, height: 400 };

interface Prediction {
  readonly anchor: number;
  readonly row: number;
  readonly column: number;
  /** x, y, width, height, objectness, cat, dog: as the network gives them. */
  readonly numbers: readonly number[];
}

function gridOf(predictions: readonly Prediction[]): Tensor {
  const values = new Float32Array(2 * 7 * SIDE * SIDE).fill(-9);
  for (const { anchor, row, column, numbers } of predictions) {
    for (const [index, value] of numbers.entries()) values[((anchor * 7 + index) * SIDE + row) * SIDE + column] = value;
  }
  return fromFloat32([1, 14, SIDE, SIDE], values);
}

const objectsOf = (answer: Answer): readonly DetectedObject[] => {
  assert.ok(answer.kind === 'objects');
  return answer.objects;
};

const SURE = 9;
const dog = (row: number, column: number, objectness = SURE): Prediction => ({
  anchor: 0,
  row,
  column,
  numbers: [0, 0, 0, 0, objectness, -SURE, SURE],
});

describe('object detection', () => {
  it('puts the box of an anchor around the point within its cell', () => {
    const [first, ...others] = objectsOf(findObjects(TASK, gridOf([dog(1, 2)]), INPUT, undefined));
    assert.deepEqual(others, []);
    const { score, ...box } = first!;
    assert.deepEqual(box, { label: 'dog', left: 200, top: 100, right: 300, bottom: 200 });
    assert.ok(score > 0.99);
    const tall = { anchor: 1, row: 2, column: 1, numbers: [0, 0, Math.log(0.5), Math.log(0.5), SURE, SURE, -SURE] };
    const [cat] = objectsOf(findObjects(TASK, gridOf([tall]), INPUT, undefined));
    assert.deepEqual({ ...cat, score: 1 }, { label: 'cat', score: 1, left: 100, top: 150, right: 200, bottom: 350 });
  });

  it('gives places in the picture, which was scaled and put in the middle, and nothing beyond it', () => {
    const placement = { pictureWidth: 800, pictureHeight: 400, scaleX: 0.5, scaleY: 0.5, offsetX: 0, offsetY: 100 };
    const found = objectsOf(findObjects(TASK, gridOf([dog(1, 2), dog(0, 0)]), INPUT, placement));
    const boxes = found.map(({ left, top, right, bottom }) => [left, top, right, bottom]);
    assert.deepEqual(
      boxes.sort((a, b) => b[0]! - a[0]!),
      [
        [400, 0, 600, 200],
        [0, 0, 200, 0],
      ],
    );
  });

  it('keeps the most probable of boxes of one class that overlap, and all of different classes', () => {
    const cat = { ...dog(1, 2), anchor: 1, numbers: [0, 0, Math.log(0.5), Math.log(0.25), SURE, SURE, -SURE] };
    const double = { ...dog(1, 2), anchor: 1, numbers: [0.2, 0, Math.log(0.5), Math.log(0.25), 2, -SURE, SURE] };
    const labels = (predictions: readonly Prediction[]): string[] =>
      objectsOf(findObjects(TASK, gridOf(predictions), INPUT, undefined)).map(({ label }) => label);
    assert.deepEqual(labels([dog(1, 2), cat]).sort(), ['cat', 'dog']);
    assert.deepEqual(labels([dog(1, 2), double]), ['dog']);
    assert.deepEqual(labels([dog(0, 0), dog(3, 3)]), ['dog', 'dog']);
  });

  it('drops what is not probable enough, the most probable first', () => {
    const found = objectsOf(findObjects(TASK, gridOf([dog(0, 0, 1), dog(2, 2, 3), dog(3, 0, -1)]), INPUT, undefined));
    assert.deepEqual(
      found.map(({ left }) => left),
      [200, 0],
    );
  });

  it('answers any grid with boxes inside the picture, a hundred at most, sorted', () => {
    const { anchors, labels } = TINY_YOLO_V2_TASK;
    const count = anchors.length * (5 + labels.length) * 9;
    const numbers = fc.float32Array({ minLength: count, maxLength: count, min: -20, max: 20, noNaN: true });
    fc.assert(
      fc.property(numbers, (values) => {
        const found = objectsOf(findObjects(TINY_YOLO_V2_TASK, fromFloat32([1, 125, 3, 3], values), INPUT, undefined));
        assert.ok(found.length <= 100);
        for (const [index, { left, top, right, bottom, score }] of found.entries()) {
          assert.ok(0 <= left && left <= right && right <= 400 && 0 <= top && top <= bottom && bottom <= 400);
          assert.ok(score <= (found[index - 1]?.score ?? 1));
        }
      }),
      { numRuns: 30 },
    );
  });

  it('refuses a grid that does not fit its classes', () => {
    const grid = fromFloat32([1, 15, 1, 1], new Float32Array(15));
    assert.throws(() => findObjects(TASK, grid, INPUT, undefined), { code: 'INVALID_MODEL' });
  });
});
