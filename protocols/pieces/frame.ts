/**
 * The binary frames of `/tilemesh/pieces/1.0.0`, little-endian. A chunk: 68 bytes of fixed header, start and end of each
 * axis (u32), the tensor's name (UTF-8), the payload. A credit: the first 8 bytes of the header and a u32 of bytes.
 *
 * | offset | size | field                       | offset | size | field             |
 * | ------ | ---- | --------------------------- | ------ | ---- | ----------------- |
 * | 0      | 4    | magic `TMP1`                | 36     | 4    | consumer part     |
 * | 4      | 1    | version, 1                  | 40     | 8    | piece, bytes      |
 * | 5      | 1    | kind: 1 chunk, 2 credit     | 48     | 2    | name, bytes       |
 * | 6      | 1    | element type, ONNX's number | 50     | 2    | 0                 |
 * | 7      | 1    | rank                        | 52     | 8    | chunk offset      |
 * | 8      | 16   | request id                  | 60     | 4    | chunk, bytes      |
 * | 24     | 4    | term                        | 64     | 4    | CRC-32 of the     |
 * | 28     | 4    | attempt                     |        |      | frame but itself  |
 * | 32     | 4    | consumer block              | 68     |      | region, name, ... |
 */
import { crc32 } from 'node:zlib';
import { Uint8ArrayList } from 'uint8arraylist';
import { volume, type Region } from '../../src/core/geometry/region.ts';
import { ELEMENT_BYTES, type DataType } from '../../src/core/tensor/data-type.ts';
import * as fields from '../fields.ts';
import type { Frame } from '../framing.ts';
import { CHUNK_BYTES, MAGIC, MAX_NAME_BYTES, MAX_PIECE_BYTES, MAX_RANK, VERSION } from './constants.ts';
import type { Piece, PieceHeader } from './messages.ts';

const CHUNK = 1;
const CREDIT = 2;
export const FIXED_BYTES = 68;
export const MAX_HEAD_BYTES = FIXED_BYTES + MAX_RANK * 8 + MAX_NAME_BYTES;
const AT = {
  magic: 0,
  version: 4,
  kind: 5,
  type: 6,
  rank: 7,
  requestId: 8,
  term: 24,
  attempt: 28,
  block: 32,
  part: 36,
  pieceBytes: 40,
  nameBytes: 48,
  /** Up to here, and behind the fixed header, all chunks of a piece are alike. */
  chunkOffset: 52,
  chunkBytes: 60,
  crc: 64,
} as const;

/** Numbers of `TensorProto.DataType` in onnx.proto. */
const TYPE_NUMBERS = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const satisfies Record<DataType, number>;
const TYPES: ReadonlyMap<number, DataType> = new Map(
  Object.entries(TYPE_NUMBERS).map(([type, number]) => [number, type as DataType]),
);

const ENCODER = new TextEncoder();

/** What the head of a chunk says of the chunk. */
export interface Chunk {
  readonly offset: number;
  readonly byteLength: number;
  /** CRC-32 of the head but the checksum itself, which goes on over the payload. */
  readonly headSum: number;
  /** What the checksum of all is said to be. */
  readonly sum: number;
}

export const headBytes = (piece: Pick<Piece, 'region' | 'tensor'>): number =>
  FIXED_BYTES + piece.region.length * 8 + Buffer.byteLength(piece.tensor);

/** The frames of a piece, made one at a time; payloads are views of `piece.bytes`. At least one, though it be empty. */
export function* encodePiece(piece: Piece): Generator<Uint8ArrayList> {
  const { bytes } = piece;
  const template = encodeHead(piece);
  let offset = 0;
  do {
    const payload = bytes.subarray(offset, offset + CHUNK_BYTES);
    // Chunks already handed on keep their heads.
    const head = offset === 0 ? template : template.slice();
    const view = new DataView(head.buffer);
    view.setBigUint64(AT.chunkOffset, BigInt(offset), true);
    view.setUint32(AT.chunkBytes, payload.byteLength, true);
    view.setUint32(AT.crc, crc32(payload, headChecksum(head)), true);
    yield new Uint8ArrayList(head, payload as Uint8Array<ArrayBuffer>);
    offset += payload.byteLength;
  } while (offset < bytes.byteLength);
}

function encodeHead({ region, tensor, ...piece }: Piece): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(headBytes({ region, tensor }));
  const view = new DataView(head.buffer);
  view.setUint32(AT.magic, MAGIC, true);
  view.setUint8(AT.version, VERSION);
  view.setUint8(AT.kind, CHUNK);
  view.setUint8(AT.type, TYPE_NUMBERS[piece.type]);
  view.setUint8(AT.rank, region.length);
  head.set(fields.fromHex(piece.requestId), AT.requestId);
  view.setUint32(AT.term, piece.term, true);
  view.setUint32(AT.attempt, piece.attempt, true);
  view.setUint32(AT.block, piece.block, true);
  view.setUint32(AT.part, piece.part, true);
  view.setBigUint64(AT.pieceBytes, BigInt(piece.bytes.byteLength), true);
  const nameAt = FIXED_BYTES + region.length * 8;
  view.setUint16(AT.nameBytes, head.byteLength - nameAt, true);
  region.forEach(({ start, end }, axis) => {
    view.setUint32(FIXED_BYTES + axis * 8, start, true);
    view.setUint32(FIXED_BYTES + axis * 8 + 4, end, true);
  });
  ENCODER.encodeInto(tensor, head.subarray(nameAt));
  return head;
}

/** How long the head of a chunk is, told by its first `FIXED_BYTES`. @throws MeshError INVALID_MESSAGE */
export function headLength(fixed: Uint8Array): number {
  const view = viewOf(fixed);
  checkStart(view, CHUNK);
  const rank = view.getUint8(AT.rank);
  const nameBytes = view.getUint16(AT.nameBytes, true);
  if (rank > MAX_RANK) throw fields.invalid(`a piece has rank ${rank}, more than ${MAX_RANK}`);
  if (nameBytes > MAX_NAME_BYTES) throw fields.invalid(`a tensor name has ${nameBytes} bytes, over ${MAX_NAME_BYTES}`);
  return FIXED_BYTES + rank * 8 + nameBytes;
}

/** @param frameBytes the size of the frame that begins with this head. @throws MeshError INVALID_MESSAGE */
export function decodeChunk(head: Uint8Array, frameBytes: number): Chunk {
  const view = viewOf(head);
  const byteLength = view.getUint32(AT.chunkBytes, true);
  if (frameBytes !== head.byteLength + byteLength || byteLength > CHUNK_BYTES) {
    throw fields.invalid(`a chunk of ${byteLength} bytes came in a frame of ${frameBytes}`);
  }
  return {
    offset: fields.safeInteger(view.getBigUint64(AT.chunkOffset, true), 'chunk offset'),
    byteLength,
    headSum: headChecksum(head),
    sum: view.getUint32(AT.crc, true),
  };
}

/** What the head of a chunk says of its piece. @throws MeshError INVALID_MESSAGE when it contradicts itself. */
export function decodeHeader(head: Uint8Array): PieceHeader {
  const view = viewOf(head);
  const rank = view.getUint8(AT.rank);
  const type = TYPES.get(view.getUint8(AT.type));
  if (type === undefined) throw fields.invalid(`${view.getUint8(AT.type)} is no element type`);
  const region: Region = Array.from({ length: rank }, (_, axis) => ({
    start: view.getUint32(FIXED_BYTES + axis * 8, true),
    end: view.getUint32(FIXED_BYTES + axis * 8 + 4, true),
  }));
  if (region.some(({ start, end }) => start > end)) throw fields.invalid('a region ends before it starts');
  const byteLength = fields.safeInteger(view.getBigUint64(AT.pieceBytes, true), 'piece size');
  const elementBytes = ELEMENT_BYTES[type];
  if (byteLength > MAX_PIECE_BYTES) throw fields.invalid(`a piece has ${byteLength} bytes, over ${MAX_PIECE_BYTES}`);
  if (elementBytes > 0 && byteLength !== volume(region) * elementBytes) {
    throw fields.invalid(`a piece of ${byteLength} bytes does not fill its region`);
  }
  return {
    requestId: fields.requestId(head.subarray(AT.requestId, AT.term)),
    term: fields.ordinal(view.getUint32(AT.term, true), 'term'),
    attempt: fields.ordinal(view.getUint32(AT.attempt, true), 'attempt'),
    block: view.getUint32(AT.block, true),
    part: view.getUint32(AT.part, true),
    tensor: Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('utf8', FIXED_BYTES + rank * 8),
    type,
    region,
    byteLength,
  };
}

/** Whether two chunks belong to the same piece. */
export const isSamePiece = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength &&
  Buffer.compare(a.subarray(0, AT.chunkOffset), b.subarray(0, AT.chunkOffset)) === 0 &&
  Buffer.compare(a.subarray(FIXED_BYTES), b.subarray(FIXED_BYTES)) === 0;

export function encodeCredit(bytes: number): Uint8Array {
  const frame = new Uint8Array(12);
  const view = new DataView(frame.buffer);
  view.setUint32(AT.magic, MAGIC, true);
  view.setUint8(AT.version, VERSION);
  view.setUint8(AT.kind, CREDIT);
  view.setUint32(8, bytes, true);
  return frame;
}

/** Bytes of credit that a frame returns. @throws MeshError INVALID_MESSAGE */
export function decodeCredit(frame: Frame): number {
  if (frame.byteLength !== 12) throw fields.invalid(`a frame of ${frame.byteLength} bytes is no credit`);
  const view = viewOf(frame.subarray());
  checkStart(view, CREDIT);
  return view.getUint32(8, true);
}

function checkStart(view: DataView, kind: number): void {
  if (view.getUint32(AT.magic, true) !== MAGIC) throw fields.invalid('a frame does not begin with TMP1');
  const version = view.getUint8(AT.version);
  if (version !== VERSION) throw fields.invalid(`a frame is of version ${version} instead of ${VERSION}`);
  if (view.getUint8(AT.kind) !== kind)
    throw fields.invalid(`a frame is of kind ${view.getUint8(AT.kind)}, not ${kind}`);
}

const headChecksum = (head: Uint8Array): number => crc32(head.subarray(AT.crc + 4), crc32(head.subarray(0, AT.crc)));

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
