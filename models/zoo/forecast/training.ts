/** The forecasting network as a trainable one, the recipe that makes the committed weights from a seed, and its errors. */
import { scaleOf } from '../../tasks/series.ts';
import { fillNormal, permutation, uniformIntegers } from '../random.ts';
import { adam } from '../training/adam.ts';
import { convolution1d } from '../training/convolution-1d.ts';
import { rectifier, residual, sequence, type Layer } from '../training/layer.ts';
import { FORECAST_SHAPE, receptiveField, type ForecastShape } from './network.ts';
import type { DailySeries } from './weather.ts';

export interface Recipe {
  readonly seed: number;
  readonly epochs: number;
  readonly batch: number;
  /** Falls linearly to zero over the training. */
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

export const RECIPE: Recipe = Object.freeze({
  seed: 7,
  epochs: 6,
  batch: 32,
  learningRate: 0.002,
  momentum: 0.9,
  weightDecay: 0.01,
});

/** Values that a forecast is made from. */
export const CONTEXT = receptiveField(FORECAST_SHAPE) + 1;

/** Parameters in the order of the graph's weights. The last layer begins at zero: no change is the first guess. */
export function forecastNetwork(seed: number, shape: ForecastShape = FORECAST_SHAPE, length = CONTEXT): Layer {
  const { channels, kernel, dilations, horizon } = shape;
  const causal = { length, kernel, padding: 'causal', outputChannels: channels } as const;
  const blocks = dilations.map((dilation, index) => {
    const inputChannels = index === 0 ? 1 : channels;
    const block = sequence([convolution1d({ ...causal, inputChannels, dilation }), rectifier(channels * length)]);
    fillNormal(block.parameters[0]!.values, seed + index, 0, Math.sqrt(2 / (inputChannels * kernel)));
    return index === 0 ? block : residual(block);
  });
  const head = { ...causal, kernel: 1, inputChannels: channels, outputChannels: horizon, dilation: 1 };
  return sequence([...blocks, convolution1d(head)]);
}

/** `CONTEXT` values of a series, normalised as the task says, and what came after, on the same scale. */
export interface Window {
  readonly input: Float32Array;
  readonly target: Float32Array;
  readonly mean: number;
  readonly deviation: number;
}

/** The window whose first value to forecast is number `day`. */
export function windowAt(values: readonly number[], day: number): Window {
  const given = values.slice(day - CONTEXT, day);
  const { mean, deviation } = scaleOf(given);
  const normalise = (value: number): number => (value - mean) / deviation;
  return {
    input: Float32Array.from(given, normalise),
    target: Float32Array.from(values.slice(day, day + FORECAST_SHAPE.horizon), normalise),
    mean,
    deviation,
  };
}

/** Every window that lies wholly before `trainingDays`. */
export const trainingWindows = (series: readonly DailySeries[]): Window[] =>
  series.flatMap(({ values, trainingDays }) =>
    Array.from({ length: trainingDays - CONTEXT - FORECAST_SHAPE.horizon + 1 }, (_, index) =>
      windowAt(values, CONTEXT + index),
    ),
  );

/** The forecast of the last step, on the scale of the input. */
export function forecast(network: Layer, input: Float32Array): Float32Array {
  const output = network.forward(input);
  return Float32Array.from(
    { length: FORECAST_SHAPE.horizon },
    (_, ahead) => output[(ahead + 1) * input.length - 1]! + input.at(-1)!,
  );
}

export interface EpochReport {
  readonly epoch: number;
  /** Mean absolute error while it learned, in deviations of the windows. */
  readonly error: number;
}

/** Trains `network` in place, on the absolute error of the last step's forecasts. */
export function train(
  network: Layer,
  windows: readonly Window[],
  recipe: Recipe,
  onEpoch: (report: EpochReport) => void = () => undefined,
): void {
  const next = uniformIntegers(recipe.seed + 1_000);
  const step = adam(network.parameters);
  const batches = Math.ceil(windows.length / recipe.batch);
  for (let epoch = 0; epoch < recipe.epochs; epoch++) {
    const order = permutation(windows.length, next);
    let error = 0;
    for (let batch = 0; batch < batches; batch++) {
      const chosen = order.subarray(batch * recipe.batch, (batch + 1) * recipe.batch);
      for (const index of chosen) error += learn(network, windows[index]!);
      const progress = (epoch * batches + batch) / (recipe.epochs * batches);
      const { momentum, weightDecay } = recipe;
      step({ learningRate: recipe.learningRate * (1 - progress), momentum, weightDecay, batch: chosen.length });
    }
    onEpoch({ epoch: epoch + 1, error: error / windows.length });
  }
}

/** One forward and backward pass; returns the mean absolute error. */
function learn(network: Layer, { input, target }: Window): number {
  const predicted = forecast(network, input);
  const gradient = new Float32Array(target.length * input.length);
  let error = 0;
  for (const [ahead, value] of target.entries()) {
    const difference = predicted[ahead]! - value;
    error += Math.abs(difference) / target.length;
    gradient[(ahead + 1) * input.length - 1] = Math.sign(difference) / target.length;
  }
  network.backward(gradient);
  return error;
}
