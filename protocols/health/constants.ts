export const PROTOCOL_ID = '/tilemesh/health/2.0.0';

/** Models one peer reports; each takes up to some 800 bytes. */
export const MAX_MODELS = 256;
/** A peer's heartbeat with all its models, in names of the greatest length. */
export const MAX_FRAME_BYTES = 256 * 1024;
/** Version of a peer's program, characters. */
export const MAX_VERSION_CHARS = 64;
/** Address of a peer's HTTP API, characters. */
export const MAX_ADDRESS_CHARS = 256;
/** Peers told about in one beat. */
export const MAX_TOLD = 128;
/** Peers in one digest. */
export const MAX_ENTRIES = 512;
