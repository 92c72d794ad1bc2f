/**
 * Forecasts a series: a temporal convolutional network (S. Bai, J. Z. Kolter, V. Koltun, "An empirical evaluation of
 * generic convolutional and recurrent networks for sequence modeling", 2018): causal convolutions whose dilation doubles
 * from block to block, with shortcuts. At every step it gives the next `HORIZON` values, as changes from the present one.
 */
import type { Graph } from '../../../src/core/graph/graph.ts';
import { graphBuilder } from '../graph-builder.ts';

export interface ForecastShape {
  readonly channels: number;
  readonly kernel: number;
  /** One convolution each; the first reads the series itself. */
  readonly dilations: readonly number[];
  /** Values ahead. */
  readonly horizon: number;
}

export const FORECAST_SHAPE: ForecastShape = Object.freeze({
  channels: 16,
  kernel: 3,
  dilations: [1, 2, 4, 8, 16, 32],
  horizon: 7,
});

/** Steps that one forecast depends on. */
export const receptiveField = ({ kernel, dilations }: ForecastShape): number =>
  1 + (kernel - 1) * dilations.reduce((sum, dilation) => sum + dilation, 0);

/** Input `series` [batch, 1, length], output `forecast` [batch, horizon, length]: row h is the value h + 1 steps later. */
export function forecastGraph(): Graph {
  const { channels, kernel, dilations, horizon } = FORECAST_SHAPE;
  const net = graphBuilder('forecast', { name: 'series', dims: [1, 'length'] });
  const present = net.value();
  for (const [index, dilation] of dilations.entries()) {
    const block = index + 1;
    const shortcut = net.value();
    const padding = { before: (kernel - 1) * dilation, after: 0 };
    net.convolution(`conv${block}`, { outputs: channels, kernel, dilation, padding });
    net.relu(`relu${block}`);
    if (index > 0) net.add(`block${block}`, shortcut);
  }
  net.convolution('change', { outputs: horizon, kernel: 1 });
  net.add('forecast', present);
  return net.build();
}
