/** One input to one parser, and whether what comes of it is allowed: a value, or a refusal that says what is wrong. */
import { MeshError } from '../../../src/core/errors.ts';
import type { Parser, Violation } from './parser.ts';

/** Processor time that one input may take; they are small, and every other one takes microseconds. */
const MAX_MS = 1_000;

export interface Examined {
  /** Absent where the input was refused. */
  readonly value?: unknown;
  readonly violation?: Violation;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const violationOf = (
  parser: string,
  kind: Violation['kind'],
  message: string,
  input: Uint8Array,
): Violation => ({
  parser,
  kind,
  message,
  input: hex(input),
});

export async function examine(parser: Parser, input: Uint8Array): Promise<Examined> {
  const started = performance.now();
  // A parser that writes into its input must not change what is reported.
  const given = input.slice();
  try {
    let value = parser.parse(given);
    if (value instanceof Promise) value = await value;
    return performance.now() - started > MAX_MS ? await again(parser, input) : { value };
  } catch (error) {
    if (error instanceof MeshError && parser.refusals.includes(error.code)) {
      return performance.now() - started > MAX_MS ? again(parser, input) : {};
    }
    return { violation: violationOf(parser.name, 'error', describe(error), input) };
  }
}

/** A machine that is busy makes everything slow: what counts is the time that the processor spends. */
async function again(parser: Parser, input: Uint8Array): Promise<Examined> {
  const before = process.threadCpuUsage();
  try {
    await parser.parse(input.slice());
  } catch {
    // It was refused before, too.
  }
  const { user, system } = process.threadCpuUsage(before);
  const tookMs = (user + system) / 1000;
  return tookMs > MAX_MS
    ? { violation: violationOf(parser.name, 'slow', `${tookMs} ms of processor time`, input) }
    : {};
}

/** What was thrown and where, so that two of a kind are told to be one. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  const code = error instanceof MeshError ? ` ${error.code}` : '';
  const at = (error.stack ?? '').split('\n').find((line) => line.includes('file:')) ?? '';
  return `${error.name}${code}: ${error.message}${at === '' ? '' : ` ${at.trim()}`}`;
}

/** What two violations of one kind have in common: all but the values in their messages. */
export const kindOf = ({ parser, kind, message }: Violation): string =>
  `${parser} ${kind} ${message.replaceAll(/".*?"|'.*?'|\d+/g, '*')}`;
