/**
 * Daily temperatures of Seattle and New York, 2012 to 2015, from the npm package `vega-datasets` (`weather.csv`; source:
 * NOAA, in the public domain). Highest and lowest of each day, in degrees Celsius. 2015 is held back.
 */
import { readFile } from 'node:fs/promises';

export interface DailySeries {
  readonly name: string;
  readonly values: readonly number[];
  /** Days up to the end of 2014. */
  readonly trainingDays: number;
}

const COLUMNS = { temp_max: 'highest', temp_min: 'lowest' } as const;
const FIRST_HELD_BACK = '2015-01-01';

/** Four series; the first, which the accuracy is told of, is that of the highest temperatures of Seattle. */
export async function loadTemperatures(): Promise<DailySeries[]> {
  const text = await readFile(new URL('../data/weather.csv', import.meta.resolve('vega-datasets')), 'utf8');
  const [header, ...rows] = text
    .trim()
    .split(/\r?\n/)
    .map((line) => line.split(','));
  const places = ['Seattle', 'New York'];
  return places.flatMap((place) => {
    const days = rows.filter((row) => row[header!.indexOf('location')] === place);
    const trainingDays = days.findIndex((row) => row[header!.indexOf('date')]! >= FIRST_HELD_BACK);
    return Object.entries(COLUMNS).map(([column, title]) => ({
      name: `${title} temperature, ${place}`,
      values: days.map((row) => Number(row[header!.indexOf(column)])),
      trainingDays,
    }));
  });
}
