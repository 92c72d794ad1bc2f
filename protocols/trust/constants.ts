export const PROTOCOL_ID = '/tilemesh/trust/1.0.0';

/** A charter with full lists, its signature, and what frames them. */
export const MAX_DOCUMENT_CHARS = 256 * 1024;
export const MAX_FRAME_BYTES = MAX_DOCUMENT_CHARS + 1024;
export const SIGNATURE_BYTES = 64;
