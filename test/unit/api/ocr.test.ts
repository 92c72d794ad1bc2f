/** The pipeline `ocr` over HTTP, with networks that answer what the test says. */
import assert from 'node:assert/strict';
import sharp from 'sharp';
import type { TextLine } from '../../../models/tasks/answer.ts';
import { presetTask } from '../../../models/tasks/presets.ts';
import type { TaskSpec } from '../../../models/tasks/task.ts';
import type { InferRequest, PeerPort } from '../../../src/api/port.ts';
import type { Api } from '../../../src/api/server.ts';
import { MeshError } from '../../../src/core/errors.ts';
import type { RunReport } from '../../../src/core/report.ts';
import { fromFloat32, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { MODEL_ID, fakePeer, report, startFakeApi } from '../../support/fake-peer.ts';

const SIDE = 64;
/** Rows of the two boxes that are found, in a picture of `SIDE` pixels. */
const BOXES = [8, 40] as const;
const BOX_HEIGHT = 10;

const INPUT = { name: 'x', type: 'float32' as const, dims: ['batch', 3, 'height', 'width'] };

async function tasks(): Promise<Record<string, TaskSpec>> {
  const recognition = await presetTask('ppocr-recognition');
  assert.ok(recognition.kind === 'text-recognition');
  return {
    'ocr-detection': await presetTask('ppocr-detection'),
    'ocr-angle': await presetTask('ppocr-angle'),
    'ocr-recognition': { ...recognition, characters: ['a', 'b'] },
  };
}

function detected(): Tensor {
  const map = new Float32Array(SIDE * SIDE);
  for (const top of BOXES) {
    for (let y = top; y < top + BOX_HEIGHT; y++) map.fill(1, y * SIDE + 10, y * SIDE + 50);
  }
  return fromFloat32([1, 1, SIDE, SIDE], map);
}

const ANSWERS: Readonly<Record<string, readonly [output: string, answer: (x: Tensor) => Tensor]>> = {
  'ocr-detection': ['sigmoid_0.tmp_0', detected],
  'ocr-angle': ['softmax_0.tmp_0', (x) => fromFloat32([x.shape[0]!, 2], Array(x.shape[0]).fill([1, 0]).flat())],
  'ocr-recognition': ['softmax_11.tmp_0', () => fromFloat32([1, 3, 3], [0, 1, 0, 1, 0, 0, 0.2, 0, 0.8])],
};

describe('the pipeline ocr', () => {
  let api: Api | undefined;
  let picture: Buffer;

  before(async () => {
    picture = await sharp({ create: { width: SIDE, height: SIDE, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
  });
  afterEach(() => api?.close());

  async function start(beforeAnswer: (request: InferRequest) => Promise<void> = () => Promise.resolve()) {
    const requests: InferRequest[] = [];
    const known = await tasks();
    const peer: PeerPort = {
      ...fakePeer(),
      taskOf: (model) =>
        known[model] === undefined
          ? Promise.reject(new MeshError('MODEL_NOT_FOUND', `no peer has a model "${model}"`))
          : Promise.resolve({
              id: MODEL_ID,
              name: model,
              task: known[model],
              inputs: [INPUT],
              outputs: [],
              weights: 'imported',
            }),
      infer: async (request) => {
        requests.push(request);
        await beforeAnswer(request);
        const [output, answer] = ANSWERS[request.model]!;
        const x = request.inputs.get('x')!;
        return { requestId: request.requestId!, outputs: new Map([[output, answer(x)]]), report: report() };
      },
    };
    api = await startFakeApi(peer);
    return { requests, url: `${api.url}/tilemesh/v1/models/ocr/run` };
  }

  const post = async (url: string, body: NonNullable<RequestInit['body']>) => {
    const response = await fetch(url, { method: 'POST', body });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  };

  it('answers with the lines, their places, and one report of all requests', async () => {
    const { url, requests } = await start();
    const { status, json } = await post(`${url}?parallelism=3`, picture);
    assert.equal(status, 200);
    const { lines } = json.answer as { readonly lines: readonly TextLine[] };
    assert.deepEqual(
      lines.map(({ text, confidence }) => [text, confidence.toFixed(2)]),
      [
        ['ab', '0.90'],
        ['ab', '0.90'],
      ],
    );
    assert.ok(lines[0]!.points![0][1] < BOXES[0] && lines[1]!.points![0][1] > BOXES[0]);
    assert.equal(json.weights, 'imported');
    const joined = json.report as RunReport;
    const [one] = [report()];
    assert.equal(requests.length, 4);
    assert.equal(joined.model, 'ocr');
    assert.equal(joined.bytesPeerToPeer, 4 * one.bytesPeerToPeer);
    assert.equal(joined.blocks.length, 4 * one.blocks.length);
    assert.ok(requests.every(({ parallelism }) => parallelism === 3));
  });

  it('asks with ids that follow from the id of the page, so that a second try finds the first', async () => {
    const { url, requests } = await start();
    const idsOf = async (requestId: string): Promise<unknown[]> => {
      requests.length = 0;
      const { json } = await post(`${url}?requestId=${requestId}`, picture);
      assert.equal(json.requestId, requestId);
      return requests.map((request) => request.requestId).sort();
    };
    const first = await idsOf('1'.repeat(32));
    assert.equal(new Set(first).size, 4);
    assert.deepEqual(await idsOf('1'.repeat(32)), first);
    assert.notDeepEqual(await idsOf('2'.repeat(32)), first);
  });

  it('gives every step what is left of the deadline', async () => {
    const { url, requests } = await start();
    await post(`${url}?deadlineMs=60000`, picture);
    const deadlines = requests.map(({ deadlineMs }) => deadlineMs ?? Infinity);
    assert.ok(deadlines.every((deadlineMs, index) => deadlineMs <= (deadlines[index - 1] ?? 60_000)));
  });

  it('cancels the other lines when one fails, and says why it failed', async () => {
    const second = Promise.withResolvers<AbortSignal>();
    let lines = 0;
    const { url } = await start(async ({ model, signal }) => {
      if (model !== 'ocr-recognition') return;
      if (++lines === 1) {
        await second.promise;
        throw new MeshError('KERNEL_FAILED', 'the first line cannot be read');
      }
      second.resolve(signal);
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('cancelled'))));
    });
    const { status, json } = await post(url, picture);
    assert.deepEqual([status, json.error], [500, 'the first line cannot be read']);
    assert.ok((await second.promise).aborted);
  });

  it('wants a picture', async () => {
    const { url, requests } = await start();
    const { status, json } = await post(url, 'some words');
    assert.deepEqual([status, json.code, requests.length], [415, 'UNSUPPORTED_MEDIA', 0]);
  });
});
