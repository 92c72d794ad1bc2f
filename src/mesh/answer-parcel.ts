/** An answer as bytes, for another peer: the length of a JSON document, the document, and the elements of all outputs. */
import * as v from 'valibot';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { RequestId } from '../core/ids.ts';
import type { RunReport } from '../core/report.ts';
import { isDataType } from '../core/tensor/data-type.ts';
import { byteLength, type Tensor } from '../core/tensor/tensor.ts';
import type { EntryResult } from './entry-desk.ts';

const LENGTH_BYTES = 4;
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const measure = v.pipe(v.number(), v.minValue(0));
const peers = v.array(v.string());

const REPORT = v.object({
  model: v.string(),
  modelId: v.string(),
  coordinator: v.string(),
  entry: v.string(),
  names: v.record(v.string(), v.string()),
  term: count,
  attempts: count,
  elapsedMs: measure,
  cut: v.string(),
  blocks: v.array(
    v.object({
      nodes: v.array(v.string()),
      cut: v.string(),
      parts: v.array(v.object({ peer: v.string(), region: v.string(), computeMs: measure, haloBytes: measure })),
    }),
  ),
  bytesPeerToPeer: measure,
  bytesThroughEntry: measure,
  predictedMs: measure,
  lostPeers: peers,
});

const HEAD = v.object({
  report: REPORT,
  outputs: v.array(
    v.object({ name: v.string(), type: v.pipe(v.string(), v.check(isDataType)), shape: v.array(count), bytes: count }),
  ),
});

export function encodeParcel({ outputs, report }: EntryResult): Uint8Array {
  const specs = [...outputs].map(([name, { type, shape, bytes }]) => ({ name, type, shape, bytes: bytes.byteLength }));
  const head = Buffer.from(JSON.stringify({ report, outputs: specs }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(head.byteLength);
  return Buffer.concat([length, head, ...[...outputs.values()].map(({ bytes }) => bytes)]);
}

/** @throws MeshError INVALID_MESSAGE */
export function decodeParcel(requestId: RequestId, parcel: Uint8Array): EntryResult {
  try {
    const buffer = Buffer.from(parcel.buffer, parcel.byteOffset, parcel.byteLength);
    const headEnd = LENGTH_BYTES + buffer.readUInt32LE(0);
    if (headEnd > buffer.byteLength) throw new RangeError('the answer is shorter than its head says');
    const head = v.parse(HEAD, JSON.parse(buffer.toString('utf8', LENGTH_BYTES, headEnd)));
    const outputs = new Map<string, Tensor>();
    let offset = headEnd;
    for (const { name, type, shape, bytes } of head.outputs) {
      // Texts have no size that follows from their shape.
      if (!isDataType(type) || (type !== 'string' && bytes !== byteLength(type, shape))) {
        throw new RangeError(`output "${name}" does not have the bytes of its shape`);
      }
      outputs.set(name, { type, shape, bytes: new Uint8Array(parcel.subarray(offset, (offset += bytes))) });
    }
    if (offset !== parcel.byteLength) throw new RangeError('the answer is not as long as its outputs');
    return { requestId, outputs, report: head.report as unknown as RunReport };
  } catch (cause) {
    throw new MeshError('INVALID_MESSAGE', `another peer sent no readable answer: ${toMeshError(cause).message}`, {
      cause,
    });
  }
}
