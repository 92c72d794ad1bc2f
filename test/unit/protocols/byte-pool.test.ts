import assert from 'node:assert/strict';
import { streamPair } from '@libp2p/utils';
import fc from 'fast-check';
import { BytePool } from '../../../protocols/byte-pool.ts';
import { FrameStream, type FramingOptions } from '../../../protocols/framing.ts';
import type { Piece } from '../../../protocols/pieces/messages.ts';
import { wholeFrames } from '../../../protocols/sink.ts';
import { defaultsFor } from '../../../src/config/defaults.ts';
import { mergeLayers } from '../../../src/config/load.ts';
import { MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import { asPeerId, type PeerId, type RequestId } from '../../../src/core/ids.ts';
import { silentLogger } from '../../../src/observability/logger.ts';
import { protocolServices } from '../../../src/protocol-services.ts';
import { memoryNetwork } from './memory-network.ts';

const KIB = 1024;
const MIB = 2 ** 20;
const FRAMING: FramingOptions = {
  protocol: '/test/1.0.0',
  maxFrameBytes: MIB,
  maxStreams: 1,
  openTimeoutMs: 1000,
  stallTimeoutMs: 1000,
};
const peerOf = (number: number): PeerId => asPeerId(`peer ${number}`);

const withCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    error instanceof MeshError && error.code === code;

describe('protocols/byte-pool', () => {
  it('gives nobody more than it leaves to the others, whatever they ask for', () => {
    const request = fc.record({ peer: fc.nat(4), stream: fc.nat(2), bytes: fc.nat(1500) });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 60 }), (requests) => {
        const pool = new BytePool(1000);
        const shares = new Map<string, { readonly share: ReturnType<BytePool['shareOf']>; held: number }>();
        for (const { peer, stream, bytes } of requests) {
          const key = `${peer}/${stream}`;
          const own = shares.get(key) ?? { share: pool.shareOf(peerOf(peer)), held: 0 };
          shares.set(key, own);
          const before = pool.heldBytes;
          if (own.share.hold(bytes)) {
            const ofPeer = [...shares].reduce(
              (sum, [name, { held }]) => sum + (name.startsWith(`${peer}/`) && name !== key ? held : 0),
              bytes,
            );
            if (bytes > own.held && before > 0) assert.ok(ofPeer <= 1000 - before, `${ofPeer} of ${before}`);
            own.held = bytes;
          }
          const sum = [...shares.values()].reduce((all, { held }) => all + held, 0);
          assert.equal(pool.heldBytes, sum);
        }
        for (const { share } of shares.values()) share.hold(0);
        assert.equal(pool.heldBytes, 0);
      }),
    );
  });

  it('leaves room for one more, however many take all they get', () => {
    const pool = new BytePool(1000);
    for (let peer = 0; peer < 9; peer++) {
      const share = pool.shareOf(peerOf(peer));
      for (let bytes = 1; share.hold(bytes) && bytes < 500; bytes++);
    }
    assert.ok(pool.heldBytes < 1000);
    assert.ok(pool.shareOf(peerOf(9)).hold(1));
  });

  it('bounds what arrives of unfinished frames, of all peers together', async () => {
    const arrivalPool = new BytePool(120 * KIB);
    const begin = async (peer: PeerId, claimedBytes: number) => {
      const [outbound, inbound] = await streamPair({ delay: 0, protocol: FRAMING.protocol });
      const reading = new FrameStream(peer, inbound, { ...FRAMING, arrivalPool }).read(() => undefined);
      reading.catch(() => undefined);
      outbound.send(Uint8Array.of((claimedBytes % 128) | 128, ((claimedBytes >> 7) % 128) | 128, claimedBytes >> 14));
      return { outbound, reading };
    };
    const greedy = await begin(peerOf(1), 100 * KIB);
    for (let sent = 0; sent < 5; sent++) greedy.outbound.send(new Uint8Array(16 * KIB));
    await assert.rejects(greedy.reading, withCode('OVERLOADED'));
    assert.equal(arrivalPool.heldBytes, 0, 'what was refused is given back');
    const modest = await begin(peerOf(2), 40 * KIB);
    const other = await begin(peerOf(3), 30 * KIB);
    modest.outbound.send(new Uint8Array(40 * KIB - 1));
    other.outbound.send(new Uint8Array(30 * KIB - 1));
    await settled(() => arrivalPool.heldBytes > 70 * KIB - 2);
    modest.outbound.send(new Uint8Array(1));
    await settled(() => arrivalPool.heldBytes < 35 * KIB);
    other.outbound.abort(new Error('gone'));
    await assert.rejects(other.reading, withCode('PEER_LOST'));
    assert.equal(arrivalPool.heldBytes, 0);
  });

  it('counts what many small parts of a frame take beside their bytes', async () => {
    const arrivalPool = new BytePool(64 * KIB);
    const [outbound, inbound] = await streamPair({ delay: 0, protocol: FRAMING.protocol });
    const reading = new FrameStream(peerOf(1), inbound, { ...FRAMING, arrivalPool }).read(() => undefined);
    reading.catch(() => undefined);
    outbound.send(Uint8Array.of(128, 128, 1));
    await settled(() => arrivalPool.heldBytes > 0);
    for (let sent = 0; sent < 200 && outbound.status === 'open'; sent++) {
      outbound.send(new Uint8Array(1));
      await new Promise(setImmediate);
    }
    await assert.rejects(reading, withCode('OVERLOADED'));
  });

  it('is drawn from by frames that are gathered, for as long as they are not whole', () => {
    const pool = new BytePool(300 * KIB);
    const sinks = [1, 2, 3].map((peer) => wholeFrames(() => undefined, pool.shareOf(peerOf(peer))));
    const [first, second, third] = sinks as [(typeof sinks)[0], (typeof sinks)[0], (typeof sinks)[0]];
    first.begin(MIB);
    first.push(new Uint8Array(150 * KIB));
    assert.throws(() => first.push(new Uint8Array(KIB)), withCode('OVERLOADED'));
    second.begin(80 * KIB);
    third.begin(100 * KIB);
    assert.throws(() => third.push(new Uint8Array(100 * KIB)), withCode('OVERLOADED'));
    second.push(new Uint8Array(64 * KIB));
    first.abandon();
    second.push(new Uint8Array(16 * KIB));
    second.end();
    third.abandon();
    assert.equal(pool.heldBytes, 0);
  });

  it('bounds what waits for all peers together in a peer, tensors and messages apart', async () => {
    const network = await memoryNetwork(8);
    const [self, ...others] = network.peers;
    const config = mergeLayers(defaultsFor({ hostname: 'board', home: '/', memoryBytes: 8 * MIB }), []);
    const services = protocolServices(config, {}, silentLogger());
    const pieces = services.pieces(self!.components as never);
    const charters = services.charters(self!.components as never);
    const given = new AbortController();
    const taken = async (send: (to: PeerId) => Promise<void>, times: number): Promise<readonly number[]> => {
      const attempts = others.map(({ id }) => Promise.allSettled(Array.from({ length: times }, () => send(id))));
      return (await Promise.all(attempts)).map((outcomes) => times - outcomes.filter(isOverload).length);
    };
    const tensors = taken((to) => pieces.send(to, PIECE, given.signal), 8);
    const messages = taken((to) => charters.send(to, CHARTER, given.signal), 70);
    given.abort();
    // Of 128 MiB one half for the first, half of the rest for the second, and so on; never more than there is.
    assert.deepEqual((await tensors).slice(0, 3), [4, 2, 1]);
    const messageBytes = (await messages).reduce((sum, count) => sum + count * CHARTER.document.length, 0);
    assert.ok(messageBytes < 64 * MIB && messageBytes > 48 * MIB, `${messageBytes} bytes`);
  });
});

const CHARTER = { document: 'x'.repeat(250 * KIB), signature: 'ab'.repeat(64) };

const PIECE: Piece = {
  requestId: 'ab'.repeat(16) as RequestId,
  term: 1,
  attempt: 1,
  block: 0,
  part: 0,
  tensor: 'x',
  type: 'uint8',
  region: [{ start: 0, end: 16 * MIB }],
  bytes: new Uint8Array(16 * MIB),
};

const isOverload = (outcome: PromiseSettledResult<unknown>): boolean =>
  outcome.status === 'rejected' && withCode('OVERLOADED')(outcome.reason);

async function settled(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !isSo(); turn++) await new Promise(setImmediate);
  assert.ok(isSo());
}
