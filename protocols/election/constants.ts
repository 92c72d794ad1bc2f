export const PROTOCOL_ID = '/tilemesh/election/1.0.0';

/** A report is JSON, some 40 bytes for each tile. */
export const MAX_REPORT_BYTES = 1024 * 1024;
/** A frame holds one report at most, and little beside it. */
export const MAX_FRAME_BYTES = MAX_REPORT_BYTES + 64 * 1024;
/** Inputs named in one message. Networks have a few; the bound keeps a frame within its size. */
export const MAX_TENSORS = 64;
/** Axes of a tensor, as in pieces. */
export const MAX_RANK = 8;
/** Name of a stage of a request, characters. */
export const MAX_STAGE_CHARS = 64;
/** Peers named in one message: as many as a mesh has members. */
export const MAX_AVOIDED = 256;
