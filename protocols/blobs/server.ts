/** The answering end of one stream: requests are answered in order, the next bytes only when the stream has drained. */
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import type { ModelId } from '../../src/core/ids.ts';
import { UNBOUNDED_SHARE, type Share } from '../byte-pool.ts';
import * as fields from '../fields.ts';
import type { FrameStream } from '../framing.ts';
import { CHUNK_BYTES, MAX_ANSWER_BYTES, MAX_PIPELINED } from './constants.ts';
import { requestCodec, responseCodec, type BlobRequest } from './messages.ts';

/** Where the parts of models come from; null for what is not held. */
export interface BlobProvider {
  /** JSON. */
  manifest(id: ModelId): Promise<Uint8Array | null>;
  /** The graph without its weights. */
  graph(id: ModelId): Promise<Uint8Array | null>;
  /** Bitmap of the chunks held: chunk i is bit i mod 8 of byte i / 8, lowest bit first. */
  have(id: ModelId): Promise<Uint8Array | null>;
  /** Chunk of the weight blob: 1 MiB, the last one less. */
  chunk(id: ModelId, index: number): Promise<Uint8Array | null>;
}

/**
 * Serves a stream until the client ends it or asks nothing for `idleTimeoutMs`. Without a provider everything is refused.
 * @param share of the memory for answers on their way.
 * @throws MeshError INVALID_MESSAGE when the client breaks the protocol, PEER_LOST.
 */
export async function serveStream(
  stream: FrameStream,
  provider: BlobProvider | undefined,
  idleTimeoutMs: number,
  share: Share = UNBOUNDED_SHARE,
): Promise<void> {
  let waiting = 0;
  let answered = Promise.resolve();
  const timer = setTimeout(() => {
    if (waiting > 0) timer.refresh();
    else stream.abort(new MeshError('DEADLINE_EXCEEDED', 'nothing was asked for too long'));
  }, idleTimeoutMs);
  try {
    await stream.read((frame) => {
      timer.refresh();
      const request = requestCodec.decode(frame.subarray());
      if (waiting >= MAX_PIPELINED) throw fields.invalid(`more than ${MAX_PIPELINED} requests at a time`);
      waiting += 1;
      answered = answered
        .then(() => answer(stream, request, provider, share))
        // The stream is of no more use; reading it ends too.
        .catch((error: unknown) => stream.abort(toMeshError(error)))
        .finally(() => (waiting -= 1));
    });
    await answered;
  } finally {
    clearTimeout(timer);
  }
}

async function answer(
  stream: FrameStream,
  request: BlobRequest,
  provider: BlobProvider | undefined,
  share: Share,
): Promise<void> {
  let bytes: Uint8Array | null;
  try {
    if (provider === undefined) throw new MeshError('OVERLOADED', 'too many requests at a time; retry later');
    bytes = await load(provider, request);
    if (!share.hold(bytes?.byteLength ?? 0)) {
      throw new MeshError('OVERLOADED', 'answers to other peers take the memory there is for them; retry later');
    }
  } catch (error) {
    const { code, message } = toMeshError(error, 'STORAGE_FAILED');
    await stream.write(responseCodec.encode({ kind: 'refused', code, message }));
    return;
  }
  try {
    await sendAnswer(stream, bytes);
  } finally {
    share.hold(0);
  }
}

async function sendAnswer(stream: FrameStream, bytes: Uint8Array | null): Promise<void> {
  if (bytes === null) {
    await stream.write(responseCodec.encode({ kind: 'absent' }));
    return;
  }
  const totalBytes = bytes.byteLength;
  let offset = 0;
  do {
    const part = bytes.subarray(offset, offset + CHUNK_BYTES);
    await stream.write(responseCodec.encode({ kind: 'part', totalBytes, offset, bytes: part }));
    offset += part.byteLength;
  } while (offset < totalBytes);
}

async function load(provider: BlobProvider, request: BlobRequest): Promise<Uint8Array | null> {
  const bytes =
    request.kind === 'chunk'
      ? await provider.chunk(request.modelId, request.index)
      : await provider[request.kind](request.modelId);
  const maxBytes = MAX_ANSWER_BYTES[request.kind];
  if (bytes !== null && bytes.byteLength > maxBytes) {
    throw new MeshError('PAYLOAD_TOO_LARGE', `the ${request.kind} has ${bytes.byteLength} bytes, over ${maxBytes}`);
  }
  return bytes;
}
