export const PROTOCOL_ID = '/tilemesh/health/1.0.0';

/** Models one peer reports; each takes up to some 300 bytes. */
export const MAX_MODELS = 256;
/** A heartbeat with all its models, in UTF-8 names of the greatest length. */
export const MAX_FRAME_BYTES = 256 * 1024;
/** Version of a peer's program, characters. */
export const MAX_VERSION_CHARS = 64;
/** Address of a peer's HTTP API, characters. */
export const MAX_ADDRESS_CHARS = 256;
