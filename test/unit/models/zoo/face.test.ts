/** The face detector on photographs that it was not trained on, and cut over peers. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { InferenceSession } from 'onnxruntime-node';
import { photograph } from '../../../../demo/pictures.ts';
import { differenceOf } from '../../../../demo/whole-model.ts';
import { createOnnxRuntimeKernel } from '../../../../kernels/onnxruntime/kernel.ts';
import { sha256 } from '../../../../models/manifest.ts';
import type { DetectedFace } from '../../../../models/tasks/answer.ts';
import { overlap, type Box } from '../../../../models/tasks/boxes.ts';
import { postprocess, preprocess, type PreparedInput } from '../../../../models/tasks/process.ts';
import { FACE_TASK } from '../../../../models/zoo/face/task.ts';
import { ZOO } from '../../../../models/zoo/index.ts';
import { MemoryMesh } from '../../../support/memory-mesh.ts';
import { weightsOf, writeBlob } from '../../../support/weights.ts';
import { runSession } from '../../../support/whole-session.ts';

const FILE = new URL('../../../../models/zoo/face/face.onnx', import.meta.url);

/** Marked by eye in the photographs, in pixels. */
const ASTRONAUT = {
  box: { left: 134, top: 57, right: 203, bottom: 133 },
  points: { 'right eye': [152, 76], 'left eye': [185, 77], nose: [169, 95], mouth: [167, 109] },
} as const;
const CAMERA = {
  box: { left: 143, top: 97, right: 191, bottom: 148 },
  points: { nose: [188, 125], mouth: [179, 137] },
} as const;

const GROUND = { width: 1024, height: 768 };
/** Top left corners, in shares of the room that there is. */
const PLACES = [
  [0.1, 0.1],
  [0.6, 0.15],
  [0.35, 0.4],
  [0.1, 0.6],
  [0.65, 0.55],
] as const;
/** Of the photograph: head and shoulders. */
const PORTRAIT = { left: 64, top: 16, width: 224, height: 224 };
const FAST = { compressionLevel: 1 } as const;

const readPhotograph = async (name: 'astronaut' | 'camera'): Promise<Buffer> =>
  readFile(new URL(`photographs/${name}.jpg`, import.meta.url));

/** The portrait in the landscape, its face `share` of the width, and where the face is then. */
async function placed(
  ground: Buffer,
  share: number,
  isMirrored: boolean,
  [x, y]: readonly [number, number],
): Promise<{ readonly picture: Buffer; readonly marked: Box }> {
  const { box } = ASTRONAUT;
  const scale = (share * GROUND.width) / (box.right - box.left);
  const size = Math.round(PORTRAIT.width * scale);
  const left = Math.round(x * (GROUND.width - size));
  const top = Math.round(y * (GROUND.height - size));
  const portrait = sharp(await readPhotograph('astronaut')).extract(PORTRAIT);
  const input = await (isMirrored ? portrait.flop() : portrait).resize(size, size).png(FAST).toBuffer();
  const picture = await sharp(ground).composite([{ input, left, top }]).png(FAST).toBuffer();
  const [from, to] = [box.left, box.right].map((side) => (side - PORTRAIT.left) * scale) as [number, number];
  const [above, below] = [box.top, box.bottom].map((side) => top + (side - PORTRAIT.top) * scale) as [number, number];
  const [near, far] = isMirrored ? [size - to, size - from] : [from, to];
  return { picture, marked: { left: left + near, right: left + far, top: above, bottom: below } };
}

describe('BlazeFace', function () {
  this.timeout(60_000);
  let session: InferenceSession;
  before(async () => {
    session = await InferenceSession.create(await readFile(FILE), { logSeverityLevel: 4 });
  });
  after(() => session.release());

  const prepare = async (bytes: Uint8Array): Promise<PreparedInput> => {
    const { graph } = await ZOO.face.open();
    return preprocess(FACE_TASK, { kind: 'image', bytes }, graph.inputs);
  };

  async function facesIn(bytes: Uint8Array): Promise<readonly DetectedFace[]> {
    const { inputs, context } = await prepare(bytes);
    const answer = postprocess(FACE_TASK, await runSession(session, inputs), context);
    assert.ok(answer.kind === 'faces');
    return answer.faces;
  }

  it('is the file of the package that it is said to come from', async () => {
    assert.equal(sha256(await readFile(FILE)), '427cbbe0fc41448d09e1dc9cfabe2423d997cf2faaeab91fadd09a510b63b8e2');
  });

  for (const [name, marked] of Object.entries({ astronaut: ASTRONAUT, camera: CAMERA })) {
    it(`finds the face of the photograph "${name}", and nothing else`, async () => {
      const [face, ...others] = await facesIn(await readPhotograph(name as 'astronaut' | 'camera'));
      assert.deepEqual(others, []);
      assert.ok(face !== undefined && face.score >= 0.75);
      assert.ok(overlap(face, marked.box) >= 0.6, `overlap ${overlap(face, marked.box)}`);
      const reach = (marked.box.right - marked.box.left) * 0.12;
      for (const [point, [x, y]] of Object.entries(marked.points) as [string, readonly [number, number]][]) {
        const found = face.points.find((own) => own.name === point)!;
        assert.ok(Math.hypot(found.x - x, found.y - y) <= reach, `${point} at ${found.x}, ${found.y}`);
      }
    });
  }

  it('finds a face wherever it stands in a landscape, from 8 % to 18 % of its width, mirrored too, and nothing else', async () => {
    const ground = await sharp(await photograph())
      .resize(GROUND)
      .png(FAST)
      .toBuffer();
    for (const share of [0.08, 0.12, 0.18]) {
      for (const isMirrored of [false, true]) {
        for (const place of PLACES) {
          const { picture, marked } = await placed(ground, share, isMirrored, place);
          const [face, ...others] = await facesIn(picture);
          const where = `${share} of the width at ${place.join(', ')}${isMirrored ? ', mirrored' : ''}`;
          assert.ok(face !== undefined && overlap(face, marked) >= 0.5, where);
          assert.deepEqual(others, [], where);
        }
      }
    }
  });

  it('finds none in a landscape', async () => {
    const picture = await photograph();
    assert.deepEqual(await facesIn(picture), []);
    const { width, height } = await sharp(picture).metadata();
    const [w, h] = [Math.floor(width / 3), Math.floor(height / 3)];
    for (let row = 0; row < 3; row++) {
      for (let column = 0; column < 3; column++) {
        const area = { left: column * w, top: row * h, width: w, height: h };
        assert.deepEqual(await facesIn(await sharp(picture).extract(area).png(FAST).toBuffer()), []);
      }
    }
  });

  it('cut over three peers finds what the whole finds', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-face-'));
    const kernel = createOnnxRuntimeKernel();
    const model = await ZOO.face.open();
    const weightPath = join(folder, 'weights.bin');
    await writeBlob(weightPath, model, await weightsOf(model));
    const mesh = new MemoryMesh({ peers: 3, kernel, graph: model.graph, weightPath });
    try {
      const { inputs, context } = await prepare(await readPhotograph('astronaut'));
      const expected = await runSession(session, inputs);
      const { outputs, report } = await mesh.infer(0, inputs, 3);
      const apart = differenceOf(expected, outputs);
      assert.ok(apart.maxRel <= 1e-5, `off by ${apart.maxRel} of the largest value`);
      const [own, other] = [outputs, expected].map((tensors) => {
        const answer = postprocess(FACE_TASK, tensors, context);
        assert.ok(answer.kind === 'faces');
        return answer.faces.map((face) => ({ ...face, score: face.score.toFixed(4) }));
      });
      assert.deepEqual(own, other);
      assert.equal(own!.length, 1);
      const peers = new Set(report.blocks.flatMap(({ parts }) => parts.map(({ peer }) => peer)));
      assert.equal(peers.size, 3, report.cut);
    } finally {
      await mesh.stop();
      await kernel.close();
      await rm(folder, { recursive: true });
    }
  });
});
