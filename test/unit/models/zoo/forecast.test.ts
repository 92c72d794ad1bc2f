import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { sha256 } from '../../../../models/manifest.ts';
import { decodeModel } from '../../../../models/onnx/decode.ts';
import { encodeGraph } from '../../../../models/onnx/encode.ts';
import { ZOO } from '../../../../models/zoo/index.ts';
import { forecastErrors } from '../../../../models/zoo/forecast/errors.ts';
import { FORECAST_SHAPE, forecastGraph } from '../../../../models/zoo/forecast/network.ts';
import {
  CONTEXT,
  forecastNetwork,
  RECIPE,
  train,
  trainingWindows,
  windowAt,
} from '../../../../models/zoo/forecast/training.ts';
import { loadTemperatures, type DailySeries } from '../../../../models/zoo/forecast/weather.ts';
import { namedParameters } from '../../../../models/zoo/training/named-parameters.ts';

const PATH = new URL('../../../../models/zoo/forecast/forecast.onnx', import.meta.url);
const { horizon } = FORECAST_SHAPE;

describe('forecasting network', () => {
  let series: DailySeries[];
  let session: InferenceSession;

  before(async () => {
    series = await loadTemperatures();
    session = await InferenceSession.create(await readFile(PATH));
  });

  after(() => session.release());

  /** Forecasts of every day held back, in one batch. */
  async function forecasts({ values, trainingDays }: DailySeries): Promise<Map<number, number[]>> {
    const days = Array.from({ length: values.length - trainingDays - horizon + 1 }, (_, index) => trainingDays + index);
    const windows = days.map((day) => windowAt(values, day));
    const input = new Float32Array(windows.flatMap((window) => [...window.input]));
    const results = await session.run({ series: new Tensor('float32', input, [days.length, 1, CONTEXT]) });
    const output = results.forecast!;
    assert.deepEqual(output.dims, [days.length, horizon, CONTEXT]);
    const data = output.data as Float32Array;
    return new Map(
      days.map((day, index) => {
        const { mean, deviation } = windows[index]!;
        const steps = Array.from({ length: horizon }, (_, ahead) => (index * horizon + ahead + 1) * CONTEXT - 1);
        return [day, steps.map((step) => data[step]! * deviation + mean)];
      }),
    );
  }

  it('trains on the days before 2015 only', () => {
    const days = series.map(({ values, trainingDays }) => [values.length, trainingDays]);
    assert.deepEqual(days, Array(4).fill([1_461, 1_096]));
    assert.equal(trainingWindows(series).length, 4 * (1_096 - CONTEXT - horizon + 1));
  });

  it('is off by less than the year before and the day before, on every series, in the year held back', async () => {
    for (const one of series) {
      const byDay = await forecasts(one);
      const errors = forecastErrors(one, horizon, (day) => byDay.get(day)!);
      assert.ok(errors.model < 0.85 * errors.seasonalNaive, `${one.name}: ${JSON.stringify(errors)}`);
      assert.ok(errors.model < 0.95 * errors.persistence, `${one.name}: ${JSON.stringify(errors)}`);
      assert.ok(errors.mase < 0.85);
    }
  });

  it('has the errors that its description tells, for the highest temperatures of Seattle', async () => {
    const byDay = await forecasts(series[0]!);
    const errors = forecastErrors(series[0]!, horizon, (day) => byDay.get(day)!);
    const told = [errors.model, errors.seasonalNaive, errors.persistence].map((error) => `${error.toFixed(1)} °C`);
    for (const error of told) assert.ok(ZOO.forecast.description.includes(error), `${error} is not told`);
    assert.ok(ZOO.forecast.description.includes(`MASE ${errors.mase.toFixed(2)}`), `MASE ${errors.mase}`);
    const task = await ZOO.forecast.task();
    assert.ok(task.kind === 'forecasting' && task.series.context === CONTEXT);
  });

  it('sees nothing of what comes later', async () => {
    const run = async (values: Float32Array): Promise<Float32Array> => {
      const results = await session.run({ series: new Tensor('float32', values, [1, 1, values.length]) });
      return results.forecast!.data as Float32Array;
    };
    const given = Float32Array.from({ length: 150 }, (_, index) => Math.sin(index / 9));
    const changed = given.map((value, index) => (index >= 100 ? value + 5 : value));
    const [before, after] = [await run(given), await run(changed)];
    for (let ahead = 0; ahead < horizon; ahead++) {
      const row = ahead * given.length;
      assert.deepEqual(before.subarray(row, row + 100), after.subarray(row, row + 100));
    }
    assert.notEqual(before.at(-1), after.at(-1));
  });

  it('is a file below 1 MB whose graph is the one written down, encoded to the same bytes again', async () => {
    const bytes = await readFile(PATH);
    assert.ok(bytes.byteLength < 1_000_000, `${bytes.byteLength} bytes`);
    const model = decodeModel(bytes);
    assert.deepEqual(model.graph.nodes, forecastGraph().nodes);
    const weights = (name: string): Uint8Array => {
      const found = model.graph.constants.get(name)?.bytes ?? model.weightBytes(name);
      assert.ok(found instanceof Uint8Array);
      return found;
    };
    assert.ok(bytes.equals(encodeGraph(forecastGraph(), weights)));
  });

  it('comes out of the trainer with the same bits on every machine', () => {
    const network = forecastNetwork(RECIPE.seed);
    train(network, trainingWindows(series).slice(0, 320), { ...RECIPE, epochs: 1 });
    const weights = namedParameters(
      forecastGraph(),
      network.parameters.map(({ values }) => values),
    );
    const bytes = Buffer.concat([...forecastGraph().weights.keys()].map(weights));
    assert.equal(sha256(bytes), 'b91a30cc2f71e4f7d8f8157db6a2d969ccecc3e6335320ec71571d80084a7f69');
  });
});
