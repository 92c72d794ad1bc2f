/** How much a compressed body may grow to: a few bytes must not take much memory. */

/** So many times what was received, and `FREE_BYTES` in any case. */
const MAX_GROWTH = 4;
const FREE_BYTES = 2 ** 20;

export const grownBytes = (receivedBytes: number): number => MAX_GROWTH * receivedBytes + FREE_BYTES;
