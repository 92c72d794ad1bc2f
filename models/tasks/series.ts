/**
 * A series of numbers to a tensor, and a network's answer back to the numbers' own scale. What a network sees has mean zero
 * and deviation one over the values it is given, so that it need not know what is measured.
 */
import * as v from 'valibot';
import { MeshError } from '../../src/core/errors.ts';
import { elementCount, fromFloat32, numberValues, type Tensor } from '../../src/core/tensor/tensor.ts';
import { readNpy } from './npy.ts';
import type { Payload } from './payload.ts';

/** How a series of numbers becomes the input of a network. */
export interface SeriesSpec {
  /** Values the forecast is made from: the last ones of the series. */
  readonly context: number;
  /** window: mean and standard deviation of those values; none: as they are. */
  readonly normalisation: 'window' | 'none';
}

/** value = normalised * deviation + mean */
export interface Scale {
  readonly mean: number;
  readonly deviation: number;
}

const MAX_CONTEXT = 65_536;
/** Lines of a text that are read; the last ones count. */
const MAX_VALUES = 1_000_000;
const MAX_LINE_CHARS = 4096;

export const seriesSpecSchema = v.strictObject({
  context: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_CONTEXT)),
  normalisation: v.picklist(['window', 'none']),
}) satisfies v.GenericSchema<unknown, SeriesSpec>;

/** Mean and deviation of the values; 1 for the deviation of a constant. */
export function scaleOf(values: readonly number[]): Scale {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.map((value) => (value - mean) * (value - mean));
  const deviation = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / values.length);
  return { mean, deviation: deviation > 0 ? deviation : 1 };
}

export interface PreparedSeries {
  /** float32 [1, 1, context] */
  readonly tensor: Tensor;
  readonly scale: Scale;
}

/**
 * @param payload a .npy array of one axis longer than 1, or text: one number a line, or CSV with one column of numbers.
 * @throws MeshError INVALID_INPUT naming the line, or how many values are missing.
 */
export function seriesTensor(payload: Payload, spec: SeriesSpec): PreparedSeries {
  const all = payload.kind === 'npy' ? arrayValues(payload.bytes) : textValues(payload.bytes);
  if (all.length < spec.context) {
    throw new MeshError(
      'INVALID_INPUT',
      `the series has ${all.length} values, but the model looks back on ${spec.context}: send a longer one`,
    );
  }
  const values = all.slice(-spec.context);
  const scale = spec.normalisation === 'window' ? scaleOf(values) : { mean: 0, deviation: 1 };
  const normalised = values.map((value) => (value - scale.mean) / scale.deviation);
  return { tensor: fromFloat32([1, 1, values.length], normalised), scale };
}

function arrayValues(bytes: Uint8Array): number[] {
  const array = readNpy(bytes);
  if (Math.max(1, ...array.shape) !== elementCount(array.shape)) {
    throw new MeshError('INVALID_INPUT', `a series has one axis, not the shape [${array.shape.join(', ')}]`);
  }
  const values = numberValues(array);
  if (!values.every(Number.isFinite)) {
    throw new MeshError('INVALID_INPUT', 'the series holds values that are not numbers: fill the gaps first');
  }
  return values;
}

interface Line {
  readonly number: number;
  readonly cells: readonly string[];
}

/** One at a time, without those that hold nothing: a file of line ends is a small one. */
function* linesOf(text: string): Generator<Line> {
  let number = 0;
  for (let start = 0; start < text.length;) {
    const end = text.indexOf('\n', start);
    const line = text.slice(start, end < 0 ? text.length : end).replace(/\r$/, '');
    start = end < 0 ? text.length : end + 1;
    number++;
    if (line.length > MAX_LINE_CHARS) {
      throw new MeshError(
        'INVALID_INPUT',
        `line ${number} of the series is too long: one number a line, or a few columns`,
      );
    }
    const cells = line.split(/[,;\t]/).map((cell) => cell.trim());
    if (cells.some((cell) => cell !== '')) yield { number, cells };
  }
}

function textValues(bytes: Uint8Array): number[] {
  const values: number[] = [];
  let names: readonly string[] | undefined;
  let column: number | undefined;
  for (const { number, cells } of linesOf(new TextDecoder().decode(bytes))) {
    if (column === undefined && names === undefined && cells.every((cell) => toNumber(cell) === undefined)) {
      names = cells;
      continue;
    }
    column ??= numberColumn(cells, names);
    const value = toNumber(cells[column] ?? '');
    if (value === undefined) {
      throw new MeshError('INVALID_INPUT', `line ${number} of the series has no number: fill the gap or leave it out`);
    }
    if (values.push(value) > MAX_VALUES) break;
  }
  if (values.length === 0 || values.length > MAX_VALUES) {
    throw new MeshError('INVALID_INPUT', `a series has 1 to ${MAX_VALUES} lines, each with a number`);
  }
  return values;
}

/** The one column that holds a number. */
function numberColumn(cells: readonly string[], names: readonly string[] | undefined): number {
  const columns = [...cells.keys()].filter((index) => toNumber(cells[index]!) !== undefined);
  if (columns.length === 1) return columns[0]!;
  const list = columns.map((index) => names?.[index] ?? `column ${index + 1}`).join(', ');
  throw new MeshError(
    'INVALID_INPUT',
    columns.length === 0
      ? 'the series begins with a line that has no number'
      : `the file has several columns of numbers (${list}): keep one of them, as with "cut -d, -f${columns[0]! + 1}"`,
  );
}

function toNumber(cell: string): number | undefined {
  const value = cell === '' ? Number.NaN : Number(cell);
  return Number.isFinite(value) ? value : undefined;
}

/**
 * The last step of each row, on the scale of the series.
 * @param output float32 [1, horizon, steps] or [1, horizon]
 * @throws MeshError INVALID_MODEL for other shapes, KERNEL_FAILED for values that are not numbers.
 */
export function forecastValues(output: Tensor, scale: Scale = { mean: 0, deviation: 1 }): number[] {
  const [batch, horizon = 0, steps = 1] = output.shape;
  if (batch !== 1 || output.shape.length < 2 || output.shape.length > 3) {
    throw new MeshError(
      'INVALID_MODEL',
      `a forecast has the shape [1, horizon, steps], not [${output.shape.join(', ')}]: import the model as tensors`,
    );
  }
  const values = numberValues(output);
  const forecast = Array.from(
    { length: horizon },
    (_, ahead) => values[(ahead + 1) * steps - 1]! * scale.deviation + scale.mean,
  );
  if (forecast.every(Number.isFinite)) return forecast;
  throw new MeshError('KERNEL_FAILED', 'the network forecasts values that are not numbers: check the series');
}
