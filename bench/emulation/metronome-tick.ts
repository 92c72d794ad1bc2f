/** Wakes twice a millisecond, and does nothing, until whoever started it is gone. */
import process from 'node:process';

const INTERVAL_MS = 0.5;
const TICKS_BETWEEN_LOOKS = 2_000;

const parent = process.ppid;
const nobody = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
process.stdout.write('started\n');
while (process.ppid === parent) {
  for (let tick = 0; tick < TICKS_BETWEEN_LOOKS; tick++) Atomics.wait(nobody, 0, 0, INTERVAL_MS);
}
