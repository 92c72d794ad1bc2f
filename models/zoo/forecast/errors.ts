/** How far forecasts of the held-back days are off, next to forecasts that anybody can make. */
import type { DailySeries } from './weather.ts';

/** Days after which the seasons come again. */
const SEASON = 365;

/** Mean absolute errors over every day of the held-back year and every value ahead, in the unit of the series. */
export interface ForecastErrors {
  readonly model: number;
  /** The value of the same day a year before. */
  readonly seasonalNaive: number;
  /** The last value known. */
  readonly persistence: number;
  /**
   * Error of the model over that of the seasonal naive forecast on the training days (Hyndman and Koehler, "Another look
   * at measures of forecast accuracy", 2006): below 1 is better.
   */
  readonly mase: number;
}

/** @param forecast of the `horizon` values from `day` on, from those before `day`. */
export function forecastErrors(
  { values, trainingDays }: DailySeries,
  horizon: number,
  forecast: (day: number) => ArrayLike<number>,
): ForecastErrors {
  const sums = { model: 0, seasonalNaive: 0, persistence: 0 };
  let count = 0;
  for (let day = trainingDays; day + horizon <= values.length; day++) {
    const predicted = forecast(day);
    for (let ahead = 0; ahead < horizon; ahead++) {
      const actual = values[day + ahead]!;
      sums.model += Math.abs(predicted[ahead]! - actual);
      sums.seasonalNaive += Math.abs(values[day + ahead - SEASON]! - actual);
      sums.persistence += Math.abs(values[day - 1]! - actual);
      count++;
    }
  }
  const model = sums.model / count;
  return {
    model,
    seasonalNaive: sums.seasonalNaive / count,
    persistence: sums.persistence / count,
    mase: model / trainingError(values.slice(0, trainingDays)),
  };
}

function trainingError(values: readonly number[]): number {
  const differences = values.slice(SEASON).map((value, index) => Math.abs(value - values[index]!));
  return differences.reduce((sum, difference) => sum + difference, 0) / differences.length;
}
