/**
 * What control messages are checked for, field by field. Everything here turns wire values into the core's types or
 * throws INVALID_MESSAGE; nothing here allocates in proportion to what a sender claims.
 */
import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { isErrorCode, MeshError, type ErrorCode } from '../src/core/errors.ts';
import {
  asPeerId,
  isModelId,
  isPlanDigest,
  isRequestId,
  type ModelId,
  type PeerId,
  type PlanDigest,
  type RequestId,
} from '../src/core/ids.ts';
import { checkWire, WireLimitError, type WireLimits } from '../src/core/wire.ts';

/** Longest explanation sent along with an error code, characters. */
export const MAX_EXPLANATION_CHARS = 1024;
/** Longest name of a tensor, a model, a peer or a mesh, characters. */
export const MAX_NAME_CHARS = 256;
/** Fields in one message, nested ones and elements of lists included: what bounds the objects one frame can make. */
const MAX_FIELDS = 4096;
const MAX_DEPTH = 8;
const MAX_UINT32 = 0xffff_ffff;

export function invalid(reason: string, cause?: unknown): MeshError {
  return new MeshError('INVALID_MESSAGE', `${reason}; check that both peers run the same version of tilemesh`, {
    cause,
  });
}

/**
 * Bytes as a protobuf message. Its fields are counted before anything is built from them; unknown fields are skipped.
 * Byte fields of the result are views of `bytes`.
 * @throws MeshError INVALID_MESSAGE
 */
export function parseMessage<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    checkWire(schema, bytes, { budget: MAX_FIELDS, depth: MAX_DEPTH, cost: countField });
    return fromBinary(schema, bytes, { readUnknownFields: false, recursionLimit: MAX_DEPTH });
  } catch (error) {
    if (error instanceof WireLimitError) {
      throw invalid(`a ${schema.typeName} ${error.message}: at most ${MAX_FIELDS}, ${MAX_DEPTH} levels deep`);
    }
    throw invalid(`a frame is not a ${schema.typeName}`, error);
  }
}

/** A field each, and the bytes of packed lists as one each. */
const countField: WireLimits['cost'] = (field, byteLength) =>
  1 + (field?.fieldKind === 'list' && field.listKind === 'scalar' ? byteLength : 0);

const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');

/** Hexadecimal digits as bytes. */
export const fromHex = (digits: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(digits, 'hex'));

export function requestId(bytes: Uint8Array): RequestId {
  const text = bytes.byteLength === 16 ? toHex(bytes) : '';
  if (!isRequestId(text)) throw invalid(`a request id has ${bytes.byteLength} bytes instead of 16`);
  return text;
}

export function modelId(bytes: Uint8Array): ModelId {
  const text = bytes.byteLength === 32 ? toHex(bytes) : '';
  if (!isModelId(text)) throw invalid(`a model id has ${bytes.byteLength} bytes instead of 32`);
  return text;
}

export function planDigest(bytes: Uint8Array): PlanDigest {
  const text = bytes.byteLength === 32 ? toHex(bytes) : '';
  if (!isPlanDigest(text)) throw invalid(`a digest of a plan has ${bytes.byteLength} bytes instead of 32`);
  return text;
}

/** A term or an attempt: they count from 1. */
export function ordinal(value: number, field: string): number {
  if (value < 1) throw invalid(`${field} must count from 1`);
  return value;
}

export function safeInteger(value: bigint, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(`${field} is ${value.toString()}, beyond 2^53`);
  return Number(value);
}

export function quantity(value: number, field: string): number {
  if (!Number.isFinite(value) || value < 0) throw invalid(`${field} is ${value}, not a finite number from 0`);
  return value;
}

export function text(value: string, maxChars: number, field: string): string {
  if (value.length > maxChars) throw invalid(`${field} has ${value.length} characters, more than ${maxChars}`);
  return value;
}

export function blob(value: Uint8Array, maxBytes: number, field: string): Uint8Array {
  if (value.byteLength > maxBytes) throw invalid(`${field} has ${value.byteLength} bytes, more than ${maxBytes}`);
  return value;
}

export function list<T>(values: readonly T[], maxLength: number, field: string): readonly T[] {
  if (values.length > maxLength) throw invalid(`${field} has ${values.length} elements, more than ${maxLength}`);
  return values;
}

export function errorCode(value: string): ErrorCode {
  if (!isErrorCode(value)) throw invalid(`'${value.slice(0, 64)}' is no error code`);
  return value;
}

/** Base58 or base32 text of a peer id. Whether it names a peer shows when somebody dials it. */
export function peerId(value: string): PeerId {
  if (!/^[0-9A-Za-z]{1,128}$/.test(value)) throw invalid(`'${value.slice(0, 64)}' is no peer id`);
  return asPeerId(value);
}

/** The nearest value a uint32 field can carry: times and counts are rounded rather than refused. */
export const uint32 = (value: number): number => Math.min(MAX_UINT32, Math.max(0, Math.round(value) || 0));

/** The nearest value a uint64 field can carry. */
export const uint64 = (value: number): bigint =>
  BigInt(Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.round(value) || 0)));

/** At most `maxChars` characters, so that a long explanation is cut by its sender rather than refused by its reader. */
export const shortened = (value: string, maxChars: number): string =>
  value.length <= maxChars ? value : value.slice(0, maxChars - 1) + '…';

/** Shape shared by failures of all protocols. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
}

export const encodeFailure = ({ code, message }: Failure): { code: string; message: string } => ({
  code,
  message: shortened(message, MAX_EXPLANATION_CHARS),
});

export const decodeFailure = ({ code, message }: { readonly code: string; readonly message: string }): Failure => ({
  code: errorCode(code),
  message: text(message, MAX_EXPLANATION_CHARS, 'message'),
});
