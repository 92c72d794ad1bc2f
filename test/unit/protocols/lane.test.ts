import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlainly, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import fc from 'fast-check';
import type { FramingOptions } from '../../../protocols/framing.ts';
import { MAX_WAITING_BYTES, SMALL_FRAME_BYTES } from '../../../protocols/lane/constants.ts';
import { FrameReader, writeHeader } from '../../../protocols/lane/frames.ts';
import { Lane } from '../../../protocols/lane/lane.ts';
import { LaneListener, type ListenerLimits, type Ticket } from '../../../protocols/lane/listener.ts';
import { answerCodec, offerCodec, type Answer, type Offer } from '../../../protocols/lane/messages.ts';
import { dialSecurely, hasProvedKey, secureContext } from '../../../protocols/lane/secure.ts';
import { wholeFrames } from '../../../protocols/sink.ts';
import { MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import { asPeerId } from '../../../src/core/ids.ts';
import { Collector } from './memory-network.ts';

const LIMITS: ListenerLimits = { keyTimeoutMs: 2_000, maxHandshakes: 4, maxKeys: 8 };
const HOST = '127.0.0.1';

const withCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    error instanceof MeshError && error.code === code;

const optionsOf = (protocol: string): FramingOptions => ({
  protocol,
  maxFrameBytes: 1024 * 1024,
  maxStreams: 1,
  openTimeoutMs: 1_000,
  stallTimeoutMs: 1_000,
});

function frameOf(protocol: number, bytes: Uint8Array): Uint8Array {
  const head = Buffer.alloc(8);
  writeHeader(head, protocol, bytes.byteLength);
  return Buffer.concat([head, bytes]);
}

describe('protocols/lane/frames', () => {
  it('reads the same frames however their bytes are cut', () => {
    const frames = fc.array(fc.tuple(fc.nat(2), fc.uint8Array({ maxLength: 40 })), { maxLength: 8 });
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, cuts) => {
        const received: (readonly [number, Uint8Array])[] = [];
        const sinks = [0, 1, 2].map((number) => wholeFrames((frame) => received.push([number, frame])));
        const reader = new FrameReader((number) => sinks[number]!);
        const bytes = Buffer.concat(sent.map(([number, frame]) => frameOf(number, frame)));
        for (let at = 0, turn = 0; at < bytes.byteLength; turn++) {
          const part = bytes.subarray(at, at + cuts[turn % cuts.length]!);
          reader.push(part);
          at += part.byteLength;
        }
        assert.ok(reader.isBetweenFrames);
        assert.deepEqual(received, sent);
      }),
    );
  });
});

describe('protocols/lane/messages', () => {
  const offer: Offer = {
    keyId: new Uint8Array(16).fill(1),
    key: new Uint8Array(32).fill(2),
    validMs: 10_000,
    listeners: [{ host: '0.0.0.0', port: 4001 }],
    protocols: ['/a/1.0.0', '/b/1.0.0'],
  };

  it('carry offers and answers', () => {
    assert.deepEqual(offerCodec.decode(offerCodec.encode(offer)), offer);
    const answers: Answer[] = [
      { kind: 'accept', protocols: ['/b/1.0.0'] },
      { kind: 'refuse', code: 'OVERLOADED', message: 'too many' },
    ];
    for (const answer of answers) assert.deepEqual(answerCodec.decode(answerCodec.encode(answer)), answer);
  });

  it('refuse keys of another size, ports that are none, and lists without end', () => {
    const wrong: Partial<Offer>[] = [
      { key: new Uint8Array(31) },
      { keyId: new Uint8Array(0) },
      { listeners: [{ host: '127.0.0.1', port: 0 }] },
      { listeners: [{ host: 'a.name.of.some.host', port: 1 }] },
      { protocols: Array.from({ length: 17 }, (_, index) => `/${index}`) },
      { protocols: ['x'.repeat(129)] },
    ];
    for (const fields of wrong) {
      assert.throws(() => offerCodec.decode(offerCodec.encode({ ...offer, ...fields })), withCode('INVALID_MESSAGE'));
    }
    assert.throws(() => answerCodec.decode(new Uint8Array(0)), withCode('INVALID_MESSAGE'));
  });
});

const dial = (listener: LaneListener, { keyId, key }: Pick<Ticket, 'keyId' | 'key'>) =>
  dialSecurely({
    host: HOST,
    port: listener.listeners[0]!.port,
    keyId,
    key,
    connectTimeoutMs: 1_000,
    handshakeTimeoutMs: 2_000,
  });

/** Ended for whatever reason. */
async function ended(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  socket.resume();
  // Not `once`, which takes an error for the end.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

describe('protocols/lane/listener', () => {
  let listener: LaneListener;
  const start = async (limits: Partial<ListenerLimits> = {}): Promise<void> => {
    listener = new LaneListener({ ...LIMITS, ...limits });
    await listener.listen([HOST], 0);
  };
  afterEach(() => listener.close());

  it('hands on the connection of whoever has the key', async () => {
    await start();
    const ticket = listener.issue();
    const [{ socket }, accepted] = await Promise.all([dial(listener, ticket), ticket.socket]);
    assert.ok(hasProvedKey(accepted) && hasProvedKey(socket));
    assert.equal(accepted.getCipher().name, 'TLS_AES_128_GCM_SHA256');
    socket.destroy();
    accepted.destroy();
  });

  it('says which setting to change when its port is taken', async () => {
    await start();
    const { port } = listener.listeners[0]!;
    await assert.rejects(new LaneListener(LIMITS).listen([HOST], port), (error: unknown) => {
      return withCode('PORT_IN_USE')(error) && String(error).includes('dataPlane.port');
    });
  });

  it('refuses a wrong key, and the right one after that', async () => {
    await start();
    const ticket = listener.issue();
    const lost = assert.rejects(ticket.socket, withCode('PEER_LOST'));
    await assert.rejects(dial(listener, { ...ticket, key: new Uint8Array(32) }), withCode('PEER_LOST'));
    await lost;
    await assert.rejects(dial(listener, ticket), withCode('PEER_LOST'));
  });

  it('refuses a key it has not issued', async () => {
    await start();
    const stranger = { keyId: new Uint8Array(16), key: new Uint8Array(32) };
    await assert.rejects(dial(listener, stranger), withCode('PEER_LOST'));
  });

  it('refuses a key that has served', async () => {
    await start();
    const ticket = listener.issue();
    const [{ socket }, accepted] = await Promise.all([dial(listener, ticket), ticket.socket]);
    await assert.rejects(dial(listener, ticket), withCode('PEER_LOST'));
    socket.destroy();
    accepted.destroy();
  });

  it('gives no session that could be taken up again without the key', async () => {
    await start();
    const ticket = listener.issue();
    const sessions: Buffer[] = [];
    const first = connect({
      host: HOST,
      port: listener.listeners[0]!.port,
      secureContext: secureContext(),
      pskCallback: () => ({ psk: ticket.key, identity: Buffer.from(ticket.keyId).toString('hex') }),
      checkServerIdentity: () => undefined,
    });
    first.on('session', (session) => sessions.push(session));
    await once(first, 'secureConnect');
    const accepted = await ticket.socket;
    accepted.write('x');
    await once(first, 'data');
    const own = first.getSession();
    first.destroy();
    accepted.destroy();
    for (const session of own === undefined ? sessions : [...sessions, own]) {
      const again = connect({ host: HOST, port: listener.listeners[0]!.port, secureContext: secureContext(), session });
      let isSecure = false;
      again.on('secureConnect', () => (isSecure = true));
      await ended(again);
      assert.ok(!isSecure);
    }
  });

  it('refuses a key that has expired or was withdrawn', async () => {
    await start({ keyTimeoutMs: 20 });
    const expired = listener.issue();
    await assert.rejects(expired.socket, withCode('PEER_LOST'));
    await assert.rejects(dial(listener, expired), withCode('PEER_LOST'));
    const withdrawn = listener.issue();
    withdrawn.withdraw();
    await assert.rejects(withdrawn.socket, withCode('PEER_LOST'));
    await assert.rejects(dial(listener, withdrawn), withCode('PEER_LOST'));
  });

  it('closes on garbage at once, and on silence when time is up', async () => {
    await start({ keyTimeoutMs: 100 });
    const { port } = listener.listeners[0]!;
    const garbage = connectPlainly(port, HOST);
    garbage.write('GET / HTTP/1.1\r\n\r\n');
    await ended(garbage);
    const silent = connectPlainly(port, HOST);
    await ended(silent);
  });

  it('lets no more than so many connections wait, and so many keys be out', async () => {
    await start({ maxHandshakes: 2, maxKeys: 1 });
    const { port } = listener.listeners[0]!;
    const silent = [connectPlainly(port, HOST), connectPlainly(port, HOST)];
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    const ticket = listener.issue();
    assert.throws(() => listener.issue(), withCode('OVERLOADED'));
    await assert.rejects(dial(listener, ticket), withCode('PEER_LOST'));
    for (const socket of silent) socket.destroy();
    await Promise.all(silent.map(ended));
    // The listener hears of it a moment later.
    const persevere = (): ReturnType<typeof dial> => dial(listener, ticket).catch(persevere);
    const [{ socket }, accepted] = await Promise.all([persevere(), ticket.socket]);
    socket.destroy();
    accepted.destroy();
  });
});

describe('protocols/lane/lane', () => {
  const PROTOCOLS = ['/a/1.0.0', '/b/1.0.0'];
  const [A, B] = PROTOCOLS.map(optionsOf) as [FramingOptions, FramingOptions];
  let sender: Lane;
  let receiver: Lane;
  let sockets: [sending: TLSSocket, receiving: TLSSocket];

  beforeEach(async () => {
    const listener = new LaneListener(LIMITS);
    await listener.listen([HOST], 0);
    const ticket = listener.issue();
    const [{ socket, receive }, accepted] = await Promise.all([dial(listener, ticket), ticket.socket]);
    listener.close();
    sockets = [accepted, socket];
    sender = new Lane(asPeerId('receiver'), PROTOCOLS, accepted, 200);
    accepted.on('data', (bytes: Buffer) => sender.push(bytes));
    receiver = new Lane(asPeerId('sender'), PROTOCOLS, socket, 200);
    receive((bytes) => receiver.push(bytes));
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
  });

  it('carries the frames of several protocols, each in order, and credit back', async () => {
    const received = new Collector<readonly [string, number]>();
    for (const options of [A, B]) {
      const carrier = receiver.carrier(options)!;
      const sink = wholeFrames((frame) => received.add([options.protocol, frame.byteLength]));
      carrier.readInto(sink).catch(() => undefined);
    }
    const sizes = [0, 1, SMALL_FRAME_BYTES, SMALL_FRAME_BYTES + 1, 300_000, 7];
    const carriers = [A, B].map((options) => sender.carrier(options)!);
    await Promise.all(
      carriers.map(async (carrier) => {
        for (const size of sizes) await carrier.write(new Uint8Array(size));
      }),
    );
    const frames = await received.next(2 * sizes.length);
    for (const { protocol } of [A, B]) {
      assert.deepEqual(
        frames.flatMap(([from, size]) => (from === protocol ? [size] : [])),
        sizes,
      );
    }
    const credit = new Collector<Uint8Array>();
    carriers[1]!.readInto(wholeFrames(credit.add)).catch(() => undefined);
    const back = receiver.carrier(B)!;
    await back.write(Uint8Array.of(1, 2, 3));
    assert.deepEqual(await credit.next(1), [Uint8Array.of(1, 2, 3)]);
  });

  it('sends small frames in between those of a large message of another protocol', async () => {
    const order: string[] = [];
    const done = new Collector<string>();
    for (const options of [A, B]) {
      const sink = wholeFrames(() => {
        order.push(options.protocol);
        done.add(options.protocol);
      });
      receiver
        .carrier(options)!
        .readInto(sink)
        .catch(() => undefined);
    }
    const [data, control] = [sender.carrier(A)!, sender.carrier(B)!];
    const sending = (async () => {
      for (let count = 0; count < 40; count++) await data.write(new Uint8Array(256 * 1024));
    })();
    await control.write(new Uint8Array(10));
    await sending;
    await done.next(41);
    assert.ok(order.indexOf(B.protocol) <= 2, `the small frame was number ${order.indexOf(B.protocol)}`);
  });

  it('takes no more than fits when the reader is slow, and loses it after the stall time', async () => {
    sockets[1].pause();
    // A client that reads into a given buffer is stopped at its handle only.
    (sockets[1] as unknown as { _handle: { readStop(): void } })._handle.readStop();
    const carrier = sender.carrier(A)!;
    const flood = async (): Promise<void> => {
      for (let count = 0; count < 1_000; count++) await carrier.write(new Uint8Array(256 * 1024));
    };
    await assert.rejects(
      flood(),
      (error: unknown) => withCode('PEER_LOST')(error) && String(error).includes('read nothing'),
    );
    assert.ok(sockets[0].writableLength <= 256 * 1024 + MAX_WAITING_BYTES, `${sockets[0].writableLength} bytes wait`);
    assert.ok(!carrier.isOpen());
  });

  it('reports a frame that is too large to its protocol before memory is set aside, and loses the lane', async () => {
    const seen: number[] = [];
    const sink = { begin: (size: number) => void seen.push(size), push: () => undefined, end: () => undefined };
    const guilty = receiver.carrier(A)!.readInto(sink);
    const other = receiver.carrier(B)!.readInto(sink);
    sockets[0].write(Uint8Array.of(0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0));
    await assert.rejects(guilty, withCode('INVALID_MESSAGE'));
    await assert.rejects(other, withCode('PEER_LOST'));
    assert.deepEqual(seen, []);
    await sender.closed;
  });

  it('loses the lane on a protocol it does not carry', async () => {
    const reading = receiver.carrier(A)!.readInto(wholeFrames(() => undefined));
    sockets[0].write(frameOf(9, new Uint8Array(1)));
    await assert.rejects(reading, withCode('PEER_LOST'));
    await sender.closed;
    assert.equal(receiver.carrier(A), undefined);
    assert.equal(sender.carrier(optionsOf('/c/1.0.0')), undefined);
  });

  it('refuses to send what is larger than a frame', async () => {
    await assert.rejects(sender.carrier(A)!.write(new Uint8Array(1024 * 1024 + 1)), withCode('INTERNAL'));
  });

  it('sends all before it ends, with the last of its carriers', async () => {
    const sizes: number[] = [];
    const readings = [A, B].map((options) =>
      receiver.carrier(options)!.readInto(wholeFrames((frame) => sizes.push(frame.byteLength))),
    );
    const [first, second] = [sender.carrier(A)!, sender.carrier(B)!];
    void first.write(new Uint8Array(1_000_000));
    await second.close(1_000);
    assert.ok(first.isOpen() && !second.isOpen());
    await first.close(1_000);
    await Promise.all(readings);
    assert.deepEqual(sizes, [1_000_000]);
  });

  it('fails reading and writing with PEER_LOST when the connection breaks, also within a frame', async () => {
    const reading = receiver.carrier(A)!.readInto(wholeFrames(() => undefined));
    const credit = sender.carrier(A)!.readInto(wholeFrames(() => undefined));
    const closed = new Promise<void>((resolve) => sender.carrier(B)!.onceClosed(resolve));
    sockets[0].write(Uint8Array.of(10, 0, 0, 0, 0, 0, 0, 0, 1));
    sockets[0].end();
    await assert.rejects(reading, withCode('PEER_LOST'));
    await credit;
    await closed;
    assert.equal(sender.carrier(A), undefined);
  });
});
