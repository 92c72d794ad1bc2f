import assert from 'node:assert/strict';
import { classify, softmax } from '../../../../models/tasks/classify.ts';
import { sniff } from '../../../../models/tasks/payload.ts';
import { presetTask } from '../../../../models/tasks/presets.ts';
import { summarise } from '../../../../models/tasks/answer.ts';
import { postprocess, preprocess } from '../../../../models/tasks/process.ts';
import { writeNpy } from '../../../../models/tasks/npy.ts';
import { parseTask } from '../../../../models/tasks/task.ts';
import { findText } from '../../../../models/tasks/text-detection.ts';
import { readText } from '../../../../models/tasks/text-recognition.ts';
import { MeshError } from '../../../../src/core/errors.ts';
import { converted, fromFloat32, fromNumbers, numberValues } from '../../../../src/core/tensor/tensor.ts';

const failsWith = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof MeshError && error.code === code && message.test(error.message);

describe('classify', () => {
  const task = { labels: ['zero', 'one'], isSoftmaxed: false, topK: 2 };

  it('orders classes by probability and names those that have a name', () => {
    const answer = classify(task, fromFloat32([1, 3], [0, 1, 5]));
    assert.ok(answer.kind === 'classes');
    assert.deepEqual(
      answer.top.map(({ index, label }) => [index, label]),
      [
        [2, undefined],
        [1, 'one'],
      ],
    );
  });

  it('leaves probabilities as they are', () => {
    const answer = classify({ ...task, isSoftmaxed: true }, fromFloat32([1, 2, 1, 1], [0.25, 0.75]));
    assert.deepEqual(answer, {
      kind: 'classes',
      top: [
        { index: 1, label: 'one', probability: 0.75 },
        { index: 0, label: 'zero', probability: 0.25 },
      ],
    });
  });

  it('softmax does not overflow and sums to one', () => {
    const values = softmax([1000, 1001, -1000]);
    assert.ok(Math.abs(values.reduce((sum, value) => sum + value, 0) - 1) < 1e-12);
    assert.ok(values[1]! > values[0]!);
  });

  it('refuses batches and scores that are not numbers', () => {
    assert.throws(() => classify(task, fromFloat32([2, 2], [0, 1, 2, 3])), failsWith('INVALID_INPUT', /batch/));
    assert.throws(
      () => classify(task, fromFloat32([1, 2], [Number.NaN, 1])),
      failsWith('KERNEL_FAILED', /not numbers/),
    );
  });
});

describe('findText', () => {
  const task = { binaryThreshold: 0.3, boxThreshold: 0.6, unclipRatio: 1.5 };
  const map = (...boxes: readonly (readonly [number, number, number, number, number])[]) => {
    const values = new Float32Array(32 * 64);
    for (const [left, top, right, bottom, value] of boxes) {
      for (let y = top; y < bottom; y++) values.fill(value, y * 64 + left, y * 64 + right);
    }
    return fromFloat32([1, 1, 32, 64], values);
  };

  it('grows boxes by area * ratio / perimeter and scales them to the picture', () => {
    const placement = { pictureWidth: 128, pictureHeight: 64, scaleX: 0.5, scaleY: 0.5, offsetX: 0, offsetY: 0 };
    const answer = findText(task, map([10, 10, 30, 20, 0.9]), placement);
    assert.ok(answer.kind === 'boxes');
    // distance = 20 * 10 * 1.5 / 60 = 5
    assert.deepEqual(answer.boxes[0]?.points, [
      [10, 10],
      [70, 10],
      [70, 50],
      [10, 50],
    ]);
  });

  it('reads lines from the top and each from the left', () => {
    const answer = findText(task, map([40, 3, 60, 9, 0.8], [2, 4, 20, 10, 0.7], [2, 20, 20, 26, 0.9]), undefined);
    assert.ok(answer.kind === 'boxes');
    assert.deepEqual(
      answer.boxes.map((box) => box.score.toFixed(1)),
      ['0.7', '0.8', '0.9'],
    );
  });

  it('drops what is faint or tiny', () => {
    assert.deepEqual(findText(task, map([10, 10, 30, 20, 0.5], [40, 10, 42, 20, 0.9]), undefined), {
      kind: 'boxes',
      boxes: [],
    });
  });
});

describe('readText', () => {
  const steps = (...symbols: readonly number[]) =>
    fromFloat32(
      [1, symbols.length, 4],
      symbols.flatMap((symbol) => [0, 1, 2, 3].map((index) => (index === symbol ? 0.91 : 0.03))),
    );

  const cases: readonly (readonly [readonly number[], string])[] = [
    [[1, 1, 2, 0, 2, 3], 'abb '],
    [[0, 0, 0], ''],
    [[1, 0, 1, 1], 'aa'],
  ];
  for (const [symbols, text] of cases) {
    it(`reads ${symbols.join(' ')} as "${text}"`, () => {
      const answer = readText(['a', 'b', ' '], steps(...symbols));
      assert.ok(answer.kind === 'text');
      assert.equal(answer.lines[0]?.text, text);
    });
  }

  it('refuses a list of characters of another network', () => {
    assert.throws(() => readText(['a'], steps(1)), failsWith('INVALID_MODEL', /3 characters and its task 1/));
  });
});

describe('parseTask', () => {
  it('accepts the presets, also after a trip as JSON', async () => {
    for (const name of ['ppocr-detection', 'ppocr-recognition']) {
      const task = await presetTask(name);
      assert.deepEqual(parseTask(JSON.parse(JSON.stringify(task))), task);
    }
  });

  it('knows the 6,624 characters of the recognition network, the space last', async () => {
    const task = await presetTask('ppocr-recognition');
    assert.ok(task.kind === 'text-recognition');
    assert.equal(task.characters.length, 6624);
    assert.equal(task.characters.at(-1), ' ');
  });

  it('names the field that is wrong', async () => {
    const task = await presetTask('ppocr-detection');
    assert.throws(() => parseTask({ ...task, boxThreshold: 7 }), failsWith('INVALID_MODEL', /boxThreshold/));
    assert.throws(() => parseTask({ kind: 'tensors', extra: 1 }), failsWith('INVALID_MODEL', /extra/));
    assert.throws(() => parseTask({ kind: 'mind-reading' }), failsWith('INVALID_MODEL', /kind/));
  });

  it('refuses sizes that would cost a peer its memory', async () => {
    const task = await presetTask('ppocr-detection');
    assert.ok(task.kind === 'text-detection');
    const image = { ...task.image, size: { kind: 'fixed', width: 1e6, height: 1e6 } };
    assert.throws(() => parseTask({ ...task, image }), failsWith('INVALID_MODEL', /image/));
  });

  it('a preset that does not exist is answered with those that do', async () => {
    await assert.rejects(presetTask('toString'), failsWith('INVALID_ARGUMENT', /ppocr-detection/));
  });
});

describe('preprocess', () => {
  const input = { name: 'x', type: 'float32' as const, dims: ['batch', 2] };
  const npy = (bytes: Uint8Array) => ({ kind: 'npy' as const, bytes });

  it('makes float32 of other numbers and adds the batch axis', async () => {
    const payload = npy(writeNpy(fromNumbers('float64', [2], [1, 2])));
    const { inputs } = await preprocess({ kind: 'tensors' }, payload, [input]);
    assert.deepEqual(inputs.get('x')?.shape, [1, 2]);
    assert.deepEqual(numberValues(inputs.get('x')!), [1, 2]);
  });

  it('makes float16 of other numbers where the network is in half precision', async () => {
    const half = { ...input, type: 'float16' as const };
    const { inputs } = await preprocess({ kind: 'tensors' }, npy(writeNpy(fromFloat32([2], [1, 0.1]))), [half]);
    assert.equal(inputs.get('x')!.type, 'float16');
    assert.deepEqual(numberValues(inputs.get('x')!), [1, 0.0999755859375]);
  });

  it('refuses another shape and says what is wanted', async () => {
    const payload = npy(writeNpy(fromFloat32([1, 3], [1, 2, 3])));
    await assert.rejects(
      preprocess({ kind: 'tensors' }, payload, [input]),
      failsWith('INVALID_INPUT', /wants x: float32 \[\?, 2\].*\[1, 3\]/),
    );
  });

  it('refuses one array for several inputs, and payloads the task has no use for', async () => {
    const payload = npy(writeNpy(fromFloat32([2], [1, 2])));
    await assert.rejects(
      preprocess({ kind: 'tensors' }, payload, [input, { ...input, name: 'y' }]),
      failsWith('INVALID_INPUT', /several inputs/),
    );
    const text = { kind: 'text' as const, bytes: new TextEncoder().encode('hello') };
    await assert.rejects(preprocess({ kind: 'tensors' }, text, [input]), failsWith('UNSUPPORTED_MEDIA', /array.*text/));
  });
});

describe('answers of a network in half precision', () => {
  it('are read as those of one in single precision', async () => {
    const task = await presetTask('ppocr-detection');
    assert.ok(task.kind === 'text-detection');
    const map = new Float32Array(64 * 64);
    for (let y = 20; y < 40; y++) map.fill(0.9375, y * 64 + 10, y * 64 + 50);
    const single = fromFloat32([1, 1, 64, 64], map);
    const read = (output: typeof single) => postprocess(task, new Map([[task.output, output]]), {});
    const answer = read(single);
    assert.ok(answer.kind === 'boxes' && answer.boxes.length === 1);
    assert.deepEqual(read(converted(single, 'float16')), answer);
  });

  it('are shown as numbers', () => {
    const { values } = summarise('y', fromNumbers('float16', [3], [0.5, Infinity, -2]));
    assert.deepEqual(values, [0.5, null, -2]);
  });
});

describe('sniff', () => {
  const cases: readonly (readonly [string, Uint8Array, string | undefined])[] = [
    ['nothing', new Uint8Array(), undefined],
    ['a JPEG', Uint8Array.of(0xff, 0xd8, 0xff, 0xe0), 'image'],
    ['a .npy array', writeNpy(fromFloat32([1], [1])), 'npy'],
    ['text cut within a letter', new TextEncoder().encode(`${'a'.repeat(4095)}é`), 'text'],
    ['SVG, which is not decoded', new TextEncoder().encode('<svg/>'), 'text'],
    ['other bytes', Uint8Array.of(0, 1, 2, 3), undefined],
    ['Latin-1', Uint8Array.of(0x61, 0xe9, 0x62), undefined],
  ];
  for (const [what, bytes, kind] of cases)
    it(`takes ${what} for ${kind ?? 'nothing'}`, () => assert.equal(sniff(bytes), kind));
});
