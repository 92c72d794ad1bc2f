export const PROTOCOL_ID = '/tilemesh/lane/1.0.0';

export const KEY_BYTES = 32;
export const KEY_ID_BYTES = 16;
/** Protocols on one lane. */
export const MAX_PROTOCOLS = 16;
/** A protocol's id, characters. */
export const MAX_PROTOCOL_CHARS = 128;
/** Addresses one peer listens on. */
export const MAX_LISTENERS = 16;
/** An offer or an answer. */
export const MAX_FRAME_BYTES = 8 * 1024;

/** In front of every frame on a lane: its size and the number of its protocol, both u32, little-endian. */
export const HEADER_BYTES = 8;
/** Frames up to this size are copied, so that many small ones can wait together without keeping their senders waiting. */
export const SMALL_FRAME_BYTES = 2 * 1024;
/** Small frames that may wait before their senders do, bytes. */
export const MAX_WAITING_BYTES = 64 * 1024;
