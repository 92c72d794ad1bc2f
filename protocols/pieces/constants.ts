export const PROTOCOL_ID = '/tilemesh/pieces/1.0.0';

/** `TMP1` in ASCII, little-endian. */
export const MAGIC = 0x31504d54;
export const VERSION = 1;

/** Consumer block of what the entry, not a tile, consumes. */
export const FOR_ASSEMBLER = 0xffff_ffff;

/** Payload of one frame, bytes: few frames per piece, yet other streams get their turn in between. */
export const CHUNK_BYTES = 256 * 1024;
/** Axes of a tensor. */
export const MAX_RANK = 8;
/** Name of a tensor, bytes of UTF-8. */
export const MAX_NAME_BYTES = 1024;
/** One piece, bytes. The largest map of VGG-16 at 224x224 takes 13 MB. */
export const MAX_PIECE_BYTES = 256 * 1024 * 1024;
/** A chunk with its header. */
export const MAX_FRAME_BYTES = CHUNK_BYTES + MAX_NAME_BYTES + 256;
/** Bytes of frames a sender may have under way to one receiver: more than 50 ms at 1 Gbit/s. */
export const WINDOW_BYTES = 8 * 1024 * 1024;
/** Credit is returned in portions of this size: four messages a window. */
export const CREDIT_BYTES = WINDOW_BYTES / 4;
