/** How a test starts another Node of its own kind: where this one runs in an emulator, the other has to as well. */

/** Path of the emulator in which this process runs; set by `npm run test:arm64`. */
const emulator = process.env.TILEMESH_EMULATOR;

export const isEmulated = emulator !== undefined;

/** @returns the program to start, and its arguments. */
export const ownNode = (...args: readonly string[]): readonly [string, readonly string[]] =>
  emulator === undefined ? [process.execPath, args] : [emulator, [process.execPath, ...args]];
