import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Stream } from '@libp2p/interface';
import { streamPair } from '@libp2p/utils';
import { FrameStream, type FramingOptions } from '../../../protocols/framing.ts';
import { MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import { asPeerId } from '../../../src/core/ids.ts';

const OPTIONS: FramingOptions = {
  protocol: '/test/1.0.0',
  maxFrameBytes: 1024 * 1024,
  maxStreams: 1,
  openTimeoutMs: 1000,
  stallTimeoutMs: 1000,
};

const wrap = (stream: Stream, options: Partial<FramingOptions> = {}): FrameStream =>
  new FrameStream(asPeerId('peer'), stream, { ...OPTIONS, ...options });

async function pair(): Promise<[Stream, Stream]> {
  return streamPair({ delay: 0, protocol: OPTIONS.protocol });
}

async function readAll(stream: FrameStream): Promise<number[]> {
  const sizes: number[] = [];
  await stream.read((frame) => sizes.push(frame.byteLength));
  return sizes;
}

const withCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    error instanceof MeshError && error.code === code;

describe('protocols/framing', () => {
  it('reads frames of all sizes as they were written, the empty one included', async () => {
    const [outbound, inbound] = await pair();
    const sizes = [0, 1, 127, 128, 70_000, 1024 * 1024];
    const reading = readAll(wrap(inbound));
    const writer = wrap(outbound);
    for (const size of sizes) await writer.write(new Uint8Array(size));
    await writer.close(1000);
    assert.deepEqual(await reading, sizes);
  });

  it('reads all that was sent by a remote that closed before anybody listened', async () => {
    const [outbound, inbound] = await pair();
    const closed = once(inbound as unknown as EventTarget, 'remoteCloseWrite');
    await wrap(outbound).write(new Uint8Array(10));
    await outbound.close();
    await closed;
    assert.deepEqual(await readAll(wrap(inbound)), [10]);
  });

  it('ends at once when the remote closed without sending', async () => {
    const [outbound, inbound] = await pair();
    const closed = once(inbound as unknown as EventTarget, 'remoteCloseWrite');
    await outbound.close();
    await closed;
    assert.deepEqual(await readAll(wrap(inbound)), []);
  });

  it('fails with PEER_LOST when the stream is reset while reading, and in the middle of a frame', async () => {
    const [outbound, inbound] = await pair();
    const reading = assert.rejects(readAll(wrap(inbound)), withCode('PEER_LOST'));
    outbound.send(Uint8Array.of(10, 1, 2));
    outbound.abort(new Error('cut'));
    await reading;
  });

  it('fails with PEER_LOST, not as a violation, when the stream ends within a frame', async () => {
    const [outbound, inbound] = await pair();
    const reading = assert.rejects(readAll(wrap(inbound)), withCode('PEER_LOST'));
    outbound.send(Uint8Array.of(10, 1, 2));
    await outbound.close();
    await reading;
  });

  it('waits every time the stream is full, not only the first', async () => {
    const [outbound, inbound] = await pair();
    const reading = readAll(wrap(inbound));
    const writer = wrap(outbound);
    for (let count = 0; count < 20; count++) {
      await writer.write(new Uint8Array(600_000));
      assert.equal(outbound.writeBufferLength, 0);
      assert.equal(outbound.writableNeedsDrain, false);
    }
    await writer.close(1000);
    assert.equal((await reading).length, 20);
  });

  it('fails a write with PEER_LOST when the remote reads nothing until the deadline', async () => {
    const [outbound] = await pair();
    const send = outbound.send.bind(outbound);
    // Full for ever: takes the bytes and never drains.
    outbound.send = (data) => {
      send(data);
      outbound.writableNeedsDrain = true;
      outbound.dispatchEvent = () => true;
      return false;
    };
    await assert.rejects(wrap(outbound, { stallTimeoutMs: 20 }).write(new Uint8Array(10)), withCode('PEER_LOST'));
  });

  it('fails a write on a stream that has ended with PEER_LOST', async () => {
    const [outbound] = await pair();
    outbound.abort(new Error('cut'));
    await assert.rejects(wrap(outbound).write(new Uint8Array(10)), withCode('PEER_LOST'));
  });
});
