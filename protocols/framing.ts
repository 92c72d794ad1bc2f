/**
 * Length-prefixed frames over libp2p streams. The only place that knows libp2p's stream API and its traps:
 * `for await` over a stream hangs when the remote closed before it began; `stream.onDrain()` waits only the first time;
 * writes are never refused but queued without bound.
 */
import type {
  Connection,
  PeerId as Libp2pPeerId,
  Stream,
  StreamCloseEvent,
  StreamMessageEvent,
} from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { decode, encode } from 'it-length-prefixed';
import { pipe } from 'it-pipe';
import type { Uint8ArrayList } from 'uint8arraylist';
import { MeshError } from '../src/core/errors.ts';
import { asPeerId, type PeerId } from '../src/core/ids.ts';
import { UNBOUNDED_SHARE, type BytePool, type Share } from './byte-pool.ts';
import { invalid } from './fields.ts';
import { crowded, type FrameSink } from './sink.ts';
import { abortError, waitFor } from './wait.ts';

export type Frame = Uint8Array | Uint8ArrayList;

/** What a protocol needs of its libp2p node. */
export interface StreamComponents {
  readonly peerId: Libp2pPeerId;
  readonly registrar: {
    handle(
      protocol: string,
      handler: (stream: Stream, connection: Connection) => void | Promise<void>,
      options?: { maxInboundStreams?: number; maxOutboundStreams?: number; runOnLimitedConnection?: boolean },
    ): Promise<void>;
    unhandle(protocol: string): Promise<void>;
  };
  readonly connectionManager: {
    openConnection(peer: Libp2pPeerId, options?: { signal?: AbortSignal }): Promise<Connection>;
  };
}

export interface FramingOptions {
  /** Its id, in the newest version. */
  readonly protocol: string;
  /** Ids of older versions that this peer speaks too, the newest first: what a mesh needs while it is upgraded. */
  readonly olderProtocols?: readonly string[];
  /** Largest frame, bytes, either way. */
  readonly maxFrameBytes: number;
  /** Streams of this protocol per connection, each way; further ones are reset by libp2p. */
  readonly maxStreams: number;
  /** How long dialling, securing and opening a stream may take together. */
  readonly openTimeoutMs: number;
  /** How long a full stream may take to drain before its peer counts as lost. */
  readonly stallTimeoutMs: number;
  /** Bytes of unfinished frames of all peers together, of all protocols that have the pool; unbounded when absent. */
  readonly arrivalPool?: BytePool;
}

/** All ids under which a protocol is spoken, the newest first. Two peers use the first that both speak. */
export const spoken = ({ protocol, olderProtocols = [] }: FramingOptions): readonly string[] => [
  protocol,
  ...olderProtocols,
];

/** One stream of frames to or from one peer: the carrier that libp2p provides. */
export class FrameStream {
  readonly peer: PeerId;
  readonly #stream: Stream;
  readonly #options: FramingOptions;

  constructor(peer: PeerId, stream: Stream, options: FramingOptions) {
    this.peer = peer;
    this.#stream = stream;
    this.#options = options;
  }

  isOpen(): boolean {
    return this.#stream.status === 'open' && this.#stream.writeStatus === 'writable';
  }

  /**
   * Sends one frame. Resolves once its bytes have left the stream's buffer, so that the caller may change them (given an
   * encrypted connection, which copies), and the stream can take more.
   * @throws MeshError PEER_LOST when the stream ends or stalls; INTERNAL when the frame is too large.
   */
  async write(frame: Frame): Promise<void> {
    if (frame.byteLength > this.#options.maxFrameBytes) {
      throw new MeshError(
        'INTERNAL',
        `a frame of ${frame.byteLength} bytes exceeds the ${this.#options.maxFrameBytes} of ${this.#options.protocol}`,
      );
    }
    if (!this.isOpen()) throw this.#lost(undefined);
    let isWritable: boolean;
    try {
      isWritable = this.#stream.send(encode.single(frame, { maxDataLength: this.#options.maxFrameBytes }));
    } catch (error) {
      throw this.#lost(error);
    }
    if (isWritable) return;
    while (this.isOpen() && (this.#stream.writableNeedsDrain || this.#stream.writeBufferLength > 0))
      await this.#drained();
    if (!this.isOpen()) throw this.#lost(undefined);
  }

  /**
   * Hands every frame to `onFrame`, as lists of views of received memory. Resolves when the remote has sent all.
   * What `onFrame` throws ends the reading.
   * @throws MeshError INVALID_MESSAGE on malformed frames, OVERLOADED where there is no room for them (the stream is reset),
   * PEER_LOST when the stream broke.
   */
  async read(onFrame: (frame: Uint8ArrayList) => void): Promise<void> {
    const arrival = new Arrival(this.#options.arrivalPool?.shareOf(this.peer) ?? UNBOUNDED_SHARE);
    try {
      await pipe(
        chunks(this.#stream, arrival),
        (source) => decode(source, { maxDataLength: this.#options.maxFrameBytes }),
        async (frames) => {
          for await (const frame of frames) {
            arrival.complete(frame.byteLength);
            onFrame(frame);
          }
        },
      );
    } catch (error) {
      const failure = isFramingError(error)
        ? invalid(`peer ${this.peer} sent a malformed frame on ${this.#options.protocol}`, error)
        : error instanceof MeshError
          ? error
          : this.#lost(error);
      this.abort(failure);
      throw failure;
    } finally {
      arrival.end();
    }
  }

  /** As `read`, to a sink. */
  readInto(sink: FrameSink): Promise<void> {
    return this.read((frame) => {
      sink.begin(frame.byteLength);
      for (const part of frame) sink.push(part);
      sink.end();
    });
  }

  /** Calls back once when the stream has ended for whatever reason; at once if it has already. Returns how to stop. */
  onceClosed(listener: () => void): () => void {
    if (this.#stream.status !== 'open' && this.#stream.status !== 'closing') {
      listener();
      return () => undefined;
    }
    this.#stream.addEventListener('close', listener, { once: true });
    return () => this.#stream.removeEventListener('close', listener);
  }

  /** Sends what is buffered, then closes this end; resets the stream when that takes too long. */
  async close(timeoutMs: number): Promise<void> {
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(timeoutMs) });
    } catch (error) {
      this.abort(this.#lost(error));
    }
  }

  /** Resets the stream, dropping what is buffered. */
  abort(error: Error): void {
    this.#stream.abort(error);
  }

  #drained(): Promise<undefined> {
    return waitFor<undefined>(
      (resolve) => {
        const listener = (): void => resolve(undefined);
        this.#stream.addEventListener('drain', listener);
        this.#stream.addEventListener('close', listener);
        return () => {
          this.#stream.removeEventListener('drain', listener);
          this.#stream.removeEventListener('close', listener);
        };
      },
      {
        timeoutMs: this.#options.stallTimeoutMs,
        onTimeout: () =>
          new MeshError(
            'PEER_LOST',
            `peer ${this.peer} read nothing for ${this.#options.stallTimeoutMs} ms; check whether it is frozen or cut off`,
          ),
      },
    );
  }

  #lost(cause: unknown): MeshError {
    return new MeshError('PEER_LOST', `the stream to peer ${this.peer} ended; check that it runs and is reachable`, {
      cause,
      details: { peer: this.peer },
    });
  }
}

/**
 * The connection to a peer, dialled where need be.
 * @throws MeshError PEER_LOST when that fails or takes longer than `openTimeoutMs`; CANCELLED, DEADLINE_EXCEEDED.
 */
export async function openConnection(
  components: StreamComponents,
  peer: PeerId,
  options: FramingOptions,
  cancel?: AbortSignal,
): Promise<Connection> {
  const signal = withTimeout(options.openTimeoutMs, cancel);
  try {
    return await components.connectionManager.openConnection(peerIdFromString(peer), { signal });
  } catch (error) {
    throw openingError(peer, options, cancel, error);
  }
}

/**
 * Opens a stream to a peer, dialling it first where need be.
 * @throws MeshError PEER_LOST when that fails or takes longer than `openTimeoutMs`; OVERLOADED when too
 * many are open; CANCELLED, DEADLINE_EXCEEDED.
 */
export async function openStream(
  components: StreamComponents,
  peer: PeerId,
  options: FramingOptions,
  cancel?: AbortSignal,
): Promise<FrameStream> {
  const signal = withTimeout(options.openTimeoutMs, cancel);
  try {
    const connection = await components.connectionManager.openConnection(peerIdFromString(peer), { signal });
    const stream = await connection.newStream([...spoken(options)], {
      signal,
      maxOutboundStreams: options.maxStreams,
      runOnLimitedConnection: false,
    });
    return new FrameStream(peer, stream, options);
  } catch (error) {
    throw openingError(peer, options, cancel, error);
  }
}

function withTimeout(timeoutMs: number, cancel: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return cancel === undefined ? timeout : AbortSignal.any([cancel, timeout]);
}

function openingError(
  peer: PeerId,
  { protocol, openTimeoutMs }: FramingOptions,
  cancel: AbortSignal | undefined,
  cause: unknown,
): MeshError {
  if (cancel?.aborted === true) return abortError(cancel);
  if (cause instanceof Error && cause.name === 'TooManyOutboundProtocolStreamsError') {
    return new MeshError('OVERLOADED', `peer ${peer} is asked too much at a time; retry later`, { cause });
  }
  return new MeshError(
    'PEER_LOST',
    `no ${protocol} stream to peer ${peer} could be opened within ${openTimeoutMs} ms; ` +
      'check that it runs, is reachable and speaks this version',
    { cause, details: { peer } },
  );
}

/** Accepts streams of a protocol from now on. `onStream` must not throw. */
export async function acceptStreams(
  components: StreamComponents,
  options: FramingOptions,
  onStream: (stream: FrameStream, connection: Connection) => void,
): Promise<void> {
  const { maxStreams } = options;
  const limits = { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams, runOnLimitedConnection: false };
  const accept = (stream: Stream, connection: Connection): void =>
    onStream(new FrameStream(asPeerId(connection.remotePeer.toString()), stream, options), connection);
  await Promise.all(spoken(options).map((protocol) => components.registrar.handle(protocol, accept, limits)));
}

/** Accepts no more of them. */
export async function refuseStreams(components: StreamComponents, options: FramingOptions): Promise<void> {
  await Promise.all(spoken(options).map((protocol) => components.registrar.unhandle(protocol)));
}

/** Errors of it-length-prefixed that are the sender's doing; an early end is not among them. */
const FRAMING_ERRORS: ReadonlySet<string> = new Set([
  'InvalidMessageLengthError',
  'InvalidDataLengthError',
  'InvalidDataLengthLengthError',
]);
const isFramingError = (error: unknown): boolean => error instanceof Error && FRAMING_ERRORS.has(error.name);

/** What a part of a frame takes beside its bytes, roughly: it may have come byte by byte. */
const PART_BYTES = 256;

/** What has arrived on a stream and is not yet a whole frame. */
class Arrival {
  readonly #share: Share;
  #bytes = 0;
  #parts = 0;

  constructor(share: Share) {
    this.#share = share;
  }

  /** @throws MeshError OVERLOADED */
  add(byteLength: number): void {
    this.#bytes += byteLength;
    this.#parts += 1;
    if (!this.#share.hold(this.#bytes + this.#parts * PART_BYTES)) throw crowded(this.#bytes);
  }

  /** A frame is whole, and its bytes are its reader's. What is left came with the end of it. */
  complete(frameBytes: number): void {
    this.#bytes -= prefixBytes(frameBytes) + frameBytes;
    this.#parts = this.#bytes > 0 ? 1 : 0;
    this.#share.hold(this.#bytes + this.#parts * PART_BYTES);
  }

  end(): void {
    this.#share.hold(0);
  }
}

/** Of the length in front of a frame: seven bits a byte. */
const prefixBytes = (frameBytes: number): number => Math.max(1, Math.ceil((32 - Math.clz32(frameBytes)) / 7));

/** What arrives on a stream, ended also when the remote finished before anybody listened. */
async function* chunks(stream: Stream, arrival: Arrival): AsyncGenerator<Frame> {
  const arrived: Frame[] = [];
  let failure: Error | undefined;
  let hasEnded = stream.readableEnded;
  let wake = Promise.withResolvers<undefined>();
  const onMessage = (event: StreamMessageEvent): void => {
    arrived.push(event.data);
    wake.resolve(undefined);
  };
  const onEnd = (): void => {
    hasEnded = true;
    wake.resolve(undefined);
  };
  const onClose = (event: StreamCloseEvent): void => {
    failure = event.error;
    onEnd();
  };
  stream.addEventListener('end', onEnd);
  stream.addEventListener('close', onClose);
  stream.addEventListener('message', onMessage);
  try {
    for (;;) {
      const chunk = arrived.shift();
      if (chunk !== undefined) {
        arrival.add(chunk.byteLength);
        yield chunk;
      } else if (hasEnded) {
        if (failure !== undefined) throw failure;
        return;
      } else {
        await wake.promise;
        wake = Promise.withResolvers<undefined>();
      }
    }
  } finally {
    stream.removeEventListener('end', onEnd);
    stream.removeEventListener('close', onClose);
    stream.removeEventListener('message', onMessage);
  }
}
