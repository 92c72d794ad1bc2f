export const PROTOCOL_ID = '/tilemesh/answers/1.0.0';

/** A part of an answer, bytes: others get their turn in between. */
export const PART_BYTES = 256 * 1024;
/** A part and its envelope. */
export const MAX_FRAME_BYTES = PART_BYTES + 4096;
/** A whole answer, bytes. Larger ones are computed again where they are asked for again. */
export const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
