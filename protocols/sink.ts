/** Where the frames of one stream go, in the parts they arrive in, so that their bytes need not be gathered first. */
export interface FrameSink {
  /** A frame of so many bytes begins; never more than its protocol allows. */
  begin(byteLength: number): void;
  /** The next bytes of it, valid during the call only. */
  push(bytes: Uint8Array): void;
  /** All of it has come. */
  end(): void;
}

/** What a frame may claim in memory before its bytes are there. */
const FIRST_BYTES = 64 * 1024;

/** Gathers each frame in memory of its own: never more than `FIRST_BYTES`, or three times what has arrived of it. */
export function wholeFrames(onFrame: (frame: Uint8Array) => void): FrameSink {
  let frame = new Uint8Array(0);
  let length = 0;
  let received = 0;
  return {
    begin: (byteLength) => {
      frame = new Uint8Array(Math.min(byteLength, FIRST_BYTES));
      length = byteLength;
      received = 0;
    },
    push: (bytes) => {
      const needed = received + bytes.byteLength;
      if (needed > frame.byteLength) {
        const larger = new Uint8Array(Math.min(length, Math.max(needed, 2 * received)));
        larger.set(frame.subarray(0, received));
        frame = larger;
      }
      frame.set(bytes, received);
      received += bytes.byteLength;
    },
    end: () => onFrame(frame),
  };
}
