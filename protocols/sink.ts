/** Where the frames of one stream go, in the parts they arrive in, so that their bytes need not be gathered first. */
export interface FrameSink {
  /** A frame of so many bytes begins; never more than its protocol allows. */
  begin(byteLength: number): void;
  /** The next bytes of it, valid during the call only. */
  push(bytes: Uint8Array): void;
  /** All of it has come. */
  end(): void;
}

/** Gathers each frame in memory of its own. */
export function wholeFrames(onFrame: (frame: Uint8Array) => void): FrameSink {
  let frame = new Uint8Array(0);
  let received = 0;
  return {
    begin: (byteLength) => {
      frame = new Uint8Array(byteLength);
      received = 0;
    },
    push: (bytes) => {
      frame.set(bytes, received);
      received += bytes.byteLength;
    },
    end: () => onFrame(frame),
  };
}
