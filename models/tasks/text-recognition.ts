/**
 * Step-wise character probabilities to text: best path decoding (Graves et al. 2006, "Connectionist temporal
 * classification", section 3.2): the likeliest symbol of each step, repeats merged, blanks dropped.
 */
import { MeshError } from '../../src/core/errors.ts';
import { float32Values, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { Answer, TextLine } from './answer.ts';

const BLANK = 0;

/** @param probabilities float32 [lines, steps, 1 + characters] */
export function readText(characters: readonly string[], probabilities: Tensor): Answer {
  const [lines, steps, symbols] = probabilities.shape;
  if (probabilities.shape.length !== 3 || symbols !== characters.length + 1) {
    throw new MeshError(
      'INVALID_MODEL',
      `the network knows ${(symbols ?? 1) - 1} characters and its task ${characters.length}: import it with the task it was trained for`,
    );
  }
  const values = float32Values(probabilities);
  return {
    kind: 'text',
    lines: Array.from({ length: lines! }, (_, line) =>
      readLine(characters, values.subarray(line * steps! * symbols, (line + 1) * steps! * symbols), symbols),
    ),
  };
}

function readLine(characters: readonly string[], values: Float32Array, symbols: number): TextLine {
  let text = '';
  let sum = 0;
  let count = 0;
  let previous = BLANK;
  for (let start = 0; start < values.length; start += symbols) {
    const symbol = likeliest(values, start, symbols);
    if (symbol !== BLANK && symbol !== previous) {
      text += characters[symbol - 1]!;
      sum += values[start + symbol]!;
      count++;
    }
    previous = symbol;
  }
  return { text, confidence: count === 0 ? 0 : sum / count };
}

function likeliest(values: Float32Array, start: number, symbols: number): number {
  let best = 0;
  for (let symbol = 1; symbol < symbols; symbol++) {
    if (values[start + symbol]! > values[start + best]!) best = symbol;
  }
  return best;
}
