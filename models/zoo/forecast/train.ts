/**
 * `npm run train:forecast` trains the forecasting network from the recipe's seed, tells its errors on the year held back
 * and writes `forecast.onnx` beside this file: the same bytes on every machine. With `--check` it compares instead.
 */
import { encodeGraph } from '../../onnx/encode.ts';
import { keepOrCompare } from '../training/committed-file.ts';
import { namedParameters } from '../training/named-parameters.ts';
import { forecastErrors } from './errors.ts';
import { FORECAST_SHAPE, forecastGraph } from './network.ts';
import { forecast, forecastNetwork, RECIPE, train, trainingWindows, windowAt } from './training.ts';
import { loadTemperatures } from './weather.ts';

const series = await loadTemperatures();
const network = forecastNetwork(RECIPE.seed);
train(network, trainingWindows(series), RECIPE, ({ epoch, error }) =>
  console.log(`epoch ${epoch} of ${RECIPE.epochs}: mean absolute error ${error.toFixed(3)} deviations`),
);
for (const one of series) {
  const { model, mase, seasonalNaive, persistence } = forecastErrors(one, FORECAST_SHAPE.horizon, (day) => {
    const { input, mean, deviation } = windowAt(one.values, day);
    return forecast(network, input).map((value) => value * deviation + mean);
  });
  console.log(
    `${one.name}, 2015, ${FORECAST_SHAPE.horizon} days ahead: MAE ${model.toFixed(2)}, MASE ${mase.toFixed(2)}; ` +
      `seasonal naive ${seasonalNaive.toFixed(2)}, persistence ${persistence.toFixed(2)}`,
  );
}

const graph = forecastGraph();
const parameters = network.parameters.map(({ values }) => values);
const bytes = encodeGraph(graph, namedParameters(graph, parameters));
await keepOrCompare(new URL('./forecast.onnx', import.meta.url), bytes, 'train:forecast');
