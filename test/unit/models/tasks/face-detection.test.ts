import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Answer, DetectedFace } from '../../../../models/tasks/answer.ts';
import { findFaces } from '../../../../models/tasks/face-detection.ts';
import { parseTask } from '../../../../models/tasks/task.ts';
import { FACE_TASK } from '../../../../models/zoo/face/task.ts';
import { MeshError } from '../../../../src/core/errors.ts';
import { fromFloat32, type Tensor } from '../../../../src/core/tensor/tensor.ts';

const TASK = {
  grids: [
    { scores: 's', boxes: 'b', rows: 2, columns: 4, boxesPerCell: 2 },
    { scores: 't', boxes: 'c', rows: 1, columns: 1, boxesPerCell: 1 },
  ],
  points: ['nose'],
  scoreThreshold: 0.5,
  overlapThreshold: 0.3,
} as const;
const INPUT = { width: 400, height: 200 };
const NONE = -20;

interface Prediction {
  /** Of the first grid: (row * 4 + column) * 2 + box. */
  readonly box: number;
  readonly logit: number;
  /** Offset of the middle, extents, offset of the nose, in pixels. */
  readonly numbers: readonly number[];
}

function outputsOf(predictions: readonly Prediction[], large: Omit<Prediction, 'box'> = { logit: NONE, numbers: [] }) {
  const scores = new Float32Array(16).fill(NONE);
  const boxes = new Float32Array(16 * 6);
  for (const { box, logit, numbers } of predictions) {
    scores[box] = logit;
    boxes.set(numbers, box * 6);
  }
  const last = new Float32Array(6);
  last.set(large.numbers);
  const tensors: Readonly<Record<string, Tensor>> = {
    s: fromFloat32([1, 16, 1], scores),
    b: fromFloat32([1, 16, 6], boxes),
    t: fromFloat32([1, 1, 1], [large.logit]),
    c: fromFloat32([1, 1, 6], last),
  };
  return (name: string): Tensor => tensors[name]!;
}

const facesOf = (answer: Answer): readonly DetectedFace[] => {
  assert.ok(answer.kind === 'faces');
  return answer.faces;
};

describe('face detection', () => {
  it('puts boxes and points where their cell is, in both grids', () => {
    // Row 1, column 2: the middle is at 250, 150.
    const small = { box: (1 * 4 + 2) * 2 + 1, logit: 3, numbers: [10, -10, 40, 60, 5, 0] };
    const large = { logit: 1, numbers: [-100, 0, 100, 80, -100, 10] };
    const [first, second, ...others] = facesOf(findFaces(TASK, outputsOf([small], large), INPUT, undefined));
    assert.deepEqual(others, []);
    const { score, ...box } = first!;
    const points = [{ name: 'nose', x: 255, y: 150 }];
    assert.deepEqual(box, { left: 240, top: 110, right: 280, bottom: 170, points });
    assert.ok(Math.abs(score - 0.9526) < 1e-4);
    assert.deepEqual(second!.points, [{ name: 'nose', x: 100, y: 110 }]);
    assert.deepEqual([second!.left, second!.right], [50, 150]);
  });

  it('averages boxes of one face by their scores, and keeps the best score', () => {
    const numbers = [0, 0, 40, 40, 0, 0];
    const same = [
      { box: 0, logit: Math.log(3), numbers },
      { box: 1, logit: Math.log(1.5), numbers: [9, 0, 40, 40, 9, 0] },
    ];
    // Probabilities of 0.75 and 0.6: the second moves the middle by 9 * 0.6 / 1.35.
    const [face, ...others] = facesOf(findFaces(TASK, outputsOf(same), INPUT, undefined));
    assert.deepEqual(others, []);
    assert.ok(Math.abs(face!.score - 0.75) < 1e-6);
    assert.deepEqual(face!.points, [{ name: 'nose', x: 54, y: 50 }]);
    const apart = [same[0]!, { ...same[1]!, numbers: [60, 0, 40, 40, 60, 0] }];
    assert.equal(facesOf(findFaces(TASK, outputsOf(apart), INPUT, undefined)).length, 2);
  });

  it('leaves out what is less probable than asked for, and what are no numbers', () => {
    const numbers = [0, 0, 40, 40, 0, 0];
    const dim = outputsOf([{ box: 0, logit: -0.1, numbers }]);
    assert.deepEqual(findFaces(TASK, dim, INPUT, undefined), { kind: 'faces', faces: [] });
    const broken = outputsOf([
      { box: 0, logit: NaN, numbers },
      { box: 2, logit: 5, numbers: [NaN, 0, 40, 40, 0, 0] },
    ]);
    assert.deepEqual(findFaces(TASK, broken, INPUT, undefined), { kind: 'faces', faces: [] });
  });

  it('says where things are in the picture that was sent', () => {
    const outputs = outputsOf([{ box: 0, logit: 5, numbers: [0, 0, 40, 40, 10, 10] }]);
    const at = { pictureWidth: 1000, pictureHeight: 300, scaleX: 0.4, scaleY: 0.4, offsetX: 0, offsetY: 40 };
    const [face] = facesOf(findFaces(TASK, outputs, INPUT, at));
    assert.deepEqual(
      { ...face, score: 1 },
      {
        score: 1,
        left: 75,
        top: 0,
        right: 175,
        bottom: 75,
        points: [{ name: 'nose', x: 150, y: 50 }],
      },
    );
  });

  it('never answers with a face outside of the picture', () => {
    const number = fc.double({ min: -1000, max: 1000, noNaN: true });
    fc.assert(
      fc.property(fc.nat(15), fc.array(number, { minLength: 6, maxLength: 6 }), (box, numbers) => {
        for (const face of facesOf(findFaces(TASK, outputsOf([{ box, logit: 9, numbers }]), INPUT, undefined))) {
          for (const x of [face.left, face.right, face.points[0]!.x]) assert.ok(x >= 0 && x <= INPUT.width);
          for (const y of [face.top, face.bottom, face.points[0]!.y]) assert.ok(y >= 0 && y <= INPUT.height);
        }
      }),
    );
  });

  it('names outputs that are not what the task says', () => {
    const outputs = outputsOf([]);
    assert.throws(
      () => findFaces(TASK, (name) => outputs(name === 'b' ? 's' : name), INPUT, undefined),
      (error) => error instanceof MeshError && error.code === 'INVALID_MODEL' && error.message.includes('"s" and "b"'),
    );
  });

  it('is a task that comes through a manifest as it is, and names the field that is wrong', () => {
    assert.deepEqual(parseTask(JSON.parse(JSON.stringify(FACE_TASK))), FACE_TASK);
    const refuses = (change: object, field: RegExp): void =>
      assert.throws(
        () => parseTask({ ...FACE_TASK, ...change }),
        (error) => error instanceof MeshError && field.test(error.message),
      );
    refuses({ scoreThreshold: 2 }, /scoreThreshold/);
    refuses({ grids: [] }, /grids/);
    refuses({ grids: [{ ...FACE_TASK.grids[0], rows: 1e9 }] }, /rows/);
    refuses({ image: { ...FACE_TASK.image, size: { kind: 'limits', multipleOf: 1, maxSide: 9 } } }, /image/);
  });
});
