/** Where the frames of one stream go, in the parts they arrive in, so that their bytes need not be gathered first. */
import { MeshError } from '../src/core/errors.ts';
import { UNBOUNDED_SHARE, type Share } from './byte-pool.ts';

export interface FrameSink {
  /** A frame of so many bytes begins; never more than its protocol allows. */
  begin(byteLength: number): void;
  /** The next bytes of it, valid during the call only. */
  push(bytes: Uint8Array): void;
  /** All of it has come. */
  end(): void;
}

/** Whoever gathers frames holds memory until they are whole, or until no more comes. */
export interface GatheringSink extends FrameSink {
  /** Forgets the unfinished frame. */
  abandon(): void;
}

/** What a frame may claim in memory before its bytes are there. */
const FIRST_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);

/**
 * Gathers each frame in memory of its own: never more than `FIRST_BYTES`, or three times what has arrived of it.
 * @param share of the memory for unfinished frames. Where it has no room, `begin` and `push` throw MeshError OVERLOADED.
 */
export function wholeFrames(onFrame: (frame: Uint8Array) => void, share: Share = UNBOUNDED_SHARE): GatheringSink {
  let frame = NOTHING;
  let length = 0;
  let received = 0;
  const take = (byteLength: number): Uint8Array<ArrayBuffer> => {
    if (!share.hold(byteLength)) throw crowded(length);
    return new Uint8Array(byteLength);
  };
  const release = (): void => {
    frame = NOTHING;
    share.hold(0);
  };
  return {
    begin: (byteLength) => {
      length = byteLength;
      frame = take(Math.min(byteLength, FIRST_BYTES));
      received = 0;
    },
    push: (bytes) => {
      const needed = received + bytes.byteLength;
      if (needed > frame.byteLength) {
        const larger = take(Math.min(length, Math.max(needed, 2 * received)));
        larger.set(frame.subarray(0, received));
        frame = larger;
      }
      frame.set(bytes, received);
      received += bytes.byteLength;
    },
    end: () => {
      const whole = frame;
      release();
      onFrame(whole);
    },
    abandon: release,
  };
}

/** There is no room for a frame beside the unfinished ones of all peers. */
export const crowded = (byteLength: number): MeshError =>
  new MeshError(
    'OVERLOADED',
    `a message of ${byteLength} bytes does not fit beside the unfinished ones of all peers; send it again later`,
  );
