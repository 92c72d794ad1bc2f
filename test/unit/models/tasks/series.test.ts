import assert from 'node:assert/strict';
import fc from 'fast-check';
import { writeNpy } from '../../../../models/tasks/npy.ts';
import { postprocess, preprocess } from '../../../../models/tasks/process.ts';
import { forecastValues, scaleOf, seriesTensor, type SeriesSpec } from '../../../../models/tasks/series.ts';
import type { ForecastingTask } from '../../../../models/tasks/task.ts';
import type { MeshError } from '../../../../src/core/errors.ts';
import { fromFloat32, numberValues, type Tensor } from '../../../../src/core/tensor/tensor.ts';

const RAW: SeriesSpec = { context: 3, normalisation: 'none' };
const NORMALISED: SeriesSpec = { context: 3, normalisation: 'window' };
const text = (content: string) => ({ kind: 'text' as const, bytes: new TextEncoder().encode(content) });
const npy = (tensor: Tensor) => ({ kind: 'npy' as const, bytes: writeNpy(tensor) });
const read = (content: string): number[] => numberValues(seriesTensor(text(content), RAW).tensor);
const invalid = (pattern: RegExp) => (error: MeshError) =>
  error.code === 'INVALID_INPUT' && pattern.test(error.message);

describe('series', () => {
  it('is read from plain numbers, CSV with or without a header, and .npy', () => {
    assert.deepEqual(read('1\n2\n3\n'), [1, 2, 3]);
    assert.deepEqual(read('1\r\n\r\n-2e1\r\n3'), [1, -20, 3]);
    assert.deepEqual(read('date,max\n2012-01-01,5\n2012-01-02,6\n2012-01-03,7.5\n'), [5, 6, 7.5]);
    assert.deepEqual(read('mon;1\ntue;2\nwed;3'), [1, 2, 3]);
    assert.deepEqual(numberValues(seriesTensor(npy(fromFloat32([4, 1], [1, 2, 3, 4])), RAW).tensor), [2, 3, 4]);
  });

  it('gives the network its last values, as many as it looks back on', () => {
    const { tensor } = seriesTensor(text('1\n2\n3\n4\n5'), RAW);
    assert.deepEqual(tensor, fromFloat32([1, 1, 3], [3, 4, 5]));
  });

  it('has mean zero and deviation one, and comes back to its own scale', () => {
    const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(values, (given) => {
        const { tensor, scale } = seriesTensor(text(given.map((value) => String(value)).join('\n')), NORMALISED);
        const largest = Math.max(1, ...given.map(Math.abs));
        const back = forecastValues(fromFloat32([1, 3], numberValues(tensor)), scale);
        for (const [index, value] of given.entries()) assert.ok(Math.abs(back[index]! - value) <= 1e-5 * largest);
        const seen = scaleOf(numberValues(tensor));
        assert.ok(Math.abs(seen.mean) < 1e-3, `mean ${seen.mean}`);
      }),
    );
  });

  it('does not divide by the deviation of a constant', () => {
    const { tensor, scale } = seriesTensor(text('7\n7\n7'), NORMALISED);
    assert.deepEqual(numberValues(tensor), [0, 0, 0]);
    assert.deepEqual(scale, { mean: 7, deviation: 1 });
  });

  it('names what is wrong with a file', () => {
    const table = [
      ['1\n2', /2 values.*looks back on 3/],
      ['1\ntwo\n3', /line 2/],
      ['1\n2\n\nNaN', /line 4/],
      ['day,min,max\n1 May,1,2\n2 May,2,3', /min, max.*cut -d, -f2/],
      ['only words', /1 to 1000000 lines/],
      ['a\n1 of 2', /begins with a line/],
    ] as const;
    for (const [content, pattern] of table) assert.throws(() => read(content), invalid(pattern), content);
    assert.throws(() => seriesTensor(npy(fromFloat32([2, 2], [1, 2, 3, 4])), RAW), invalid(/one axis/));
    assert.throws(() => seriesTensor(npy(fromFloat32([3], [1, NaN, 3])), RAW), invalid(/not numbers/));
  });
});

describe('forecasting task', () => {
  const task: ForecastingTask = { kind: 'forecasting', input: 'series', output: 'forecast', series: NORMALISED };
  const inputs = [{ name: 'series', type: 'float32' as const, dims: ['batch', 1, 'length'] }];

  it('answers with the last step of every row, on the scale of the series', async () => {
    const { context } = await preprocess(task, text('10\n20\n30'), inputs);
    const forecast = fromFloat32([1, 2, 3], [9, 9, 0, 9, 9, 1]);
    const answer = postprocess(task, new Map([['forecast', forecast]]), context);
    assert.deepEqual(answer, { kind: 'forecast', values: [20, 20 + scaleOf([10, 20, 30]).deviation] });
  });

  it('takes no pictures, and no forecast of another shape', async () => {
    const png = { kind: 'image' as const, bytes: Uint8Array.of(0x89) };
    await assert.rejects(preprocess(task, png, inputs), { code: 'UNSUPPORTED_MEDIA' });
    assert.throws(() => forecastValues(fromFloat32([2, 1], [1, 2])), { code: 'INVALID_MODEL' });
    assert.throws(() => forecastValues(fromFloat32([1, 1], [NaN])), { code: 'KERNEL_FAILED' });
  });
});
