/** One inference as a client asks for it, whichever way it came in. */
import { MeshError } from '../../core/errors.ts';
import { parseDeadlineMs, parseParallelism, parseVerify } from '../query.ts';
import type { Value } from './values.ts';

export interface WantedOutput {
  readonly name: string;
  /** Number of classes to answer with instead of the tensor. */
  readonly classes?: number;
}

export interface Question {
  readonly id?: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** By name; or the bytes of the only input, whose shape follows from the model. */
  readonly inputs: ReadonlyMap<string, Value> | Uint8Array;
  /** Absent: all. */
  readonly outputs?: readonly WantedOutput[];
}

/** What `parameters` say to the mesh: how many peers, and how long it may take. */
export interface RunOptions {
  readonly parallelism: number;
  readonly deadlineMs?: number;
  readonly isVerified: boolean;
}

const MICROSECONDS = 1000;
const MAX_CLASSES = 65_536;

/**
 * `parallelism`; `verify`; `deadline_ms`, or `timeout` in microseconds as other servers take it. Others are left alone: they are the client's.
 * @throws MeshError INVALID_ARGUMENT.
 */
export function runOptions({ parallelism, deadline_ms, timeout, verify }: Question['parameters']): RunOptions {
  const deadlineMs =
    deadline_ms === undefined && typeof timeout === 'number' && timeout > 0
      ? parseDeadlineMs(timeout / MICROSECONDS)
      : parseDeadlineMs(deadline_ms);
  return {
    parallelism: parseParallelism(parallelism),
    isVerified: parseVerify(verify),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  };
}

/** @throws MeshError INVALID_ARGUMENT for a number of classes that is none. */
export function wantedOutput(name: string, parameters: Readonly<Record<string, unknown>>): WantedOutput {
  const classes = parameters.classification;
  if (classes === undefined || classes === 0) return { name };
  if (typeof classes === 'number' && Number.isInteger(classes) && classes > 0 && classes <= MAX_CLASSES) {
    return { name, classes };
  }
  throw new MeshError(
    'INVALID_ARGUMENT',
    `classification of output "${name}" is a number of classes from 1 to ${MAX_CLASSES}`,
  );
}
