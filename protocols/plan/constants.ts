export const PROTOCOL_ID = '/tilemesh/plan/1.0.0';

/** A plan is JSON; 24 peers and 40 blocks take some 40 KiB. */
export const MAX_PLAN_BYTES = 4 * 1024 * 1024;
/** A participant's report is JSON, some 40 bytes for each of its tiles. */
export const MAX_REPORT_BYTES = 1024 * 1024;
/** Tiles named in one message; a participant with more computed sends several. */
export const MAX_PROGRESS_TILES = 512;
/** A frame holds one plan at most, and little beside it. */
export const MAX_FRAME_BYTES = MAX_PLAN_BYTES + 64 * 1024;
