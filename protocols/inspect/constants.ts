export const PROTOCOL_ID = '/tilemesh/inspect/1.0.0';

/** JSON of one answer, bytes: the outline of a plan for 256 peers takes about 2 MiB. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** An answer with its largest document. */
export const MAX_FRAME_BYTES = MAX_DOCUMENT_BYTES + 64 * 1024;
/** Questions that a client may have open on one stream. */
export const MAX_PIPELINED = 4;
/** Streams served for one peer at a time; further ones are refused. */
export const MAX_SERVED_PER_PEER = 4;
