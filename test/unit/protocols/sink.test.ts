import assert from 'node:assert/strict';
import { wholeFrames } from '../../../protocols/sink.ts';
import { collectGarbage } from '../../support/garbage.ts';

const KIB = 1024;
const MIB = 2 ** 20;
const SINKS = 64;

describe('protocols/sink', () => {
  it('gathers a frame whatever the parts are that it arrives in', () => {
    const sent = Uint8Array.from({ length: 300 * KIB }, (_, index) => index % 251);
    for (const step of [1 * KIB, 65 * KIB, 299 * KIB, 300 * KIB]) {
      const frames: Uint8Array[] = [];
      const sink = wholeFrames((frame) => frames.push(frame));
      for (let round = 0; round < 2; round++) {
        sink.begin(sent.byteLength);
        for (let at = 0; at < sent.byteLength; at += step) sink.push(sent.subarray(at, at + step));
        sink.end();
      }
      assert.equal(frames.length, 2);
      for (const frame of frames) assert.equal(Buffer.compare(frame, sent), 0);
    }
    const empty: Uint8Array[] = [];
    const sink = wholeFrames((frame) => empty.push(frame));
    sink.begin(0);
    sink.end();
    assert.equal(empty[0]!.byteLength, 0);
  });

  it('takes at most 64 KiB for what a frame claims to be, and four times what has arrived', () => {
    const sinks = Array.from({ length: SINKS }, () => wholeFrames(() => undefined));
    const before = collectGarbage();
    for (const sink of sinks) sink.begin(4 * MIB);
    const claimed = collectGarbage() - before;
    assert.ok(claimed <= SINKS * 80 * KIB, `${claimed} bytes for nothing`);
    const part = new Uint8Array(16 * KIB);
    const own = collectGarbage() - before - claimed;
    for (let arrived = part.byteLength; arrived <= MIB; arrived += part.byteLength) {
      for (const sink of sinks) sink.push(part);
      if (arrived % (256 * KIB) !== 0) continue;
      const taken = collectGarbage() - before - own;
      assert.ok(taken <= 4 * SINKS * arrived, `${taken} bytes for ${SINKS} times ${arrived}`);
    }
  });
});
