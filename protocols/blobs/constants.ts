export const PROTOCOL_ID = '/tilemesh/blobs/1.0.0';

/** Chunk of a weight blob, bytes: some 10 ms of a Gigabit link. The last of a blob may be shorter. */
export const CHUNK_BYTES = 1024 * 1024;
/** A chunk, or part of an answer, and its envelope. */
export const MAX_FRAME_BYTES = CHUNK_BYTES + 4096;
/** Requests under way on one stream: enough to hide the round trip. */
export const MAX_PIPELINED = 3;
/** Streams served for one peer at a time; further ones are refused. */
export const MAX_SERVED_PER_PEER = 4;
/** Whole answers, bytes. A manifest lists every weight; a graph comes without weights but with its small constants. */
export const MAX_ANSWER_BYTES = {
  manifest: 16 * 1024 * 1024,
  graph: 64 * 1024 * 1024,
  have: 1024 * 1024,
  chunk: CHUNK_BYTES,
} as const;
