/** Query parameters and path parameters: text from outside, checked. */
import { MeshError } from '../core/errors.ts';
import { isRequestId, type RequestId } from '../core/ids.ts';

const MAX_PARALLELISM = 1024;
const MAX_DEADLINE_MS = 24 * 60 * 60 * 1000;

/** Names of models: safe in paths, URLs and tables. */
export const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** 0 for `auto` and for nothing. @throws MeshError INVALID_ARGUMENT. */
export function parseParallelism(value: unknown): number {
  if (value === undefined || value === 'auto') return 0;
  const number = toNumber(value);
  if (Number.isInteger(number) && number >= 0 && number <= MAX_PARALLELISM) return number;
  throw new MeshError('INVALID_ARGUMENT', `parallelism is "auto" or a number of peers from 1 to ${MAX_PARALLELISM}`);
}

/** @throws MeshError INVALID_ARGUMENT. */
export function parseDeadlineMs(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const number = toNumber(value);
  if (number > 0 && number <= MAX_DEADLINE_MS) return number;
  throw new MeshError('INVALID_ARGUMENT', `the deadline is a number of milliseconds up to ${MAX_DEADLINE_MS}`);
}

/** `all` for an answer that is verified before it is given; nothing, `share`: as the peer is set. @throws MeshError INVALID_ARGUMENT. */
export function parseVerify(value: unknown): boolean {
  if (value === undefined || value === 'share') return false;
  if (value === 'all') return true;
  throw new MeshError('INVALID_ARGUMENT', 'verify is "all" or "share"');
}

/** @throws MeshError INVALID_ARGUMENT. */
export function parseRequestId(value: unknown): RequestId | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && isRequestId(value)) return value;
  throw new MeshError('INVALID_ARGUMENT', 'a request id is 32 lower-case hexadecimal digits');
}

/** Absent fields left out, as exact optional properties want it. */
export function defined<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): Partial<Readonly<Record<Name, Value>>> {
  return value === undefined ? {} : ({ [name]: value } as Readonly<Record<Name, Value>>);
}

const toNumber = (value: unknown): number =>
  typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
