/** Bytes of streams, which arrive in parts of any size: pieces of tensors, and frames of several protocols on one lane. */
import { crc32 } from 'node:zlib';
import { FrameReader, writeHeader } from '../../../protocols/lane/frames.ts';
import { decodeCredit, encodeCredit, encodePiece } from '../../../protocols/pieces/frame.ts';
import { Reassembly } from '../../../protocols/pieces/reassembly.ts';
import { wholeFrames } from '../../../protocols/sink.ts';
import { MeshError } from '../../../src/core/errors.ts';
import type { Parser } from '../engine/parser.ts';
import { ATTEMPT } from './samples.ts';

const PIECE = {
  ...ATTEMPT,
  block: 1,
  part: 2,
  tensor: 'conv1',
  type: 'float32' as const,
  region: [
    { start: 0, end: 1 },
    { start: 3, end: 67 },
  ],
  bytes: new Uint8Array(256).fill(7),
};
const CHECKSUM_AT = 64;
const LANE_HEAD_BYTES = 8;

/** With the checksum that a sender who means ill would give it. */
function summed(frame: Uint8Array): Uint8Array {
  if (frame.byteLength < CHECKSUM_AT + 4) return frame;
  const result = frame.slice();
  const sum = crc32(result.subarray(CHECKSUM_AT + 4), crc32(result.subarray(0, CHECKSUM_AT)));
  new DataView(result.buffer).setUint32(CHECKSUM_AT, sum, true);
  return result;
}

/** What is left over is forgotten with the stream. */
function reassemble(frame: Uint8Array): unknown {
  const pieces: unknown[] = [];
  const events = {
    // As at a peer: memory is set aside for what is wanted, and that is small here.
    admit: ({ byteLength }: { readonly byteLength: number }) => byteLength <= 1024,
    onPiece: (piece: unknown) => pieces.push(piece),
    onConsumed: () => undefined,
  };
  const sink = new Reassembly(events, { free: 4 * 2 ** 20 });
  sink.begin(frame.byteLength);
  for (let at = 0; at < frame.byteLength; at += 50) sink.push(frame.subarray(at, at + 50));
  sink.end();
  return pieces;
}

function readLane(bytes: Uint8Array): unknown {
  // As at a peer: a frame is gone when it was handled.
  let handled = 0;
  const reader = new FrameReader((protocol, byteLength) => {
    if (protocol > 3 || byteLength > 4096) throw new MeshError('INVALID_MESSAGE', 'no such protocol, or too large');
    return wholeFrames((frame) => (handled += frame.byteLength));
  });
  for (let at = 0; at < bytes.byteLength; at += 37) reader.push(bytes.subarray(at, at + 37));
  return handled;
}

function laneBytes(): Uint8Array {
  const frame = Buffer.alloc(LANE_HEAD_BYTES + 100);
  writeHeader(frame, 2, 100);
  return new Uint8Array(Buffer.concat([frame, frame, frame]));
}

export const STREAMS: readonly Parser[] = [
  {
    name: 'pieces',
    seeds: () =>
      [PIECE, { ...PIECE, type: 'string' as const }].flatMap((piece) =>
        [...encodePiece(piece)].map((frame) => frame.subarray()),
      ),
    parse: reassemble,
    refusals: ['INVALID_MESSAGE'],
    mend: summed,
  },
  {
    name: 'pieces-credit',
    seeds: () => [encodeCredit(4096)],
    parse: (bytes) => decodeCredit(bytes),
    refusals: ['INVALID_MESSAGE'],
  },
  { name: 'lane', seeds: () => [laneBytes()], parse: readLane, refusals: ['INVALID_MESSAGE'] },
];
