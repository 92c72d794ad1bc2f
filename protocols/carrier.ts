/**
 * What carries the frames of one protocol to or from one peer: a libp2p stream (`framing.ts`), which every peer speaks, or a
 * lane (`lane/`), which is cheaper and may not be had.
 */
import type { PeerId } from '../src/core/ids.ts';
import type { Frame, FramingOptions } from './framing.ts';
import type { FrameSink } from './sink.ts';

export interface FrameCarrier {
  readonly peer: PeerId;

  /** Whether it takes frames. */
  isOpen(): boolean;

  /**
   * Sends one frame. Resolves once it needs the frame's bytes no longer and can take more.
   * @throws MeshError PEER_LOST when the carrier ends or stalls; INTERNAL when the frame is too large.
   */
  write(frame: Frame): Promise<void>;

  /**
   * Hands on what arrives. Resolves when the remote has sent all. What the sink throws ends the reading. Call it once.
   * @throws MeshError INVALID_MESSAGE on malformed frames (the carrier is aborted), PEER_LOST when it broke.
   */
  readInto(sink: FrameSink): Promise<void>;

  /** Calls back once when the carrier has ended for whatever reason; at once if it has already. Returns how to stop. */
  onceClosed(listener: () => void): () => void;

  /** Sends what is buffered, then closes this end; aborts when that takes too long. */
  close(timeoutMs: number): Promise<void>;

  /** Ends it at once, dropping what is buffered. */
  abort(error: Error): void;
}

/** Carriers cheaper than streams. */
export interface FastLanes {
  /**
   * Undefined when the peer cannot be reached by a lane, or not with this protocol: use a stream.
   * @throws MeshError PEER_LOST when the peer cannot be reached at all.
   */
  carrierTo(peer: PeerId, options: FramingOptions): Promise<FrameCarrier | undefined>;
  /** Accepts carriers of a protocol from now on; `onCarrier` must not throw. Returns how to stop. */
  accept(options: FramingOptions, onCarrier: (carrier: FrameCarrier) => void): () => void;
}
