/**
 * Gives the memory of a piece back at once, for whoever has copied it and was the only one to hold it: left to the garbage
 * collector, received pieces cost as much CPU again as receiving them. Views of larger memory stay as they are.
 */
export function discardBytes({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && !buffer.detached) buffer.transfer(0);
}
