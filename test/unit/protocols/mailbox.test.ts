import assert from 'node:assert/strict';
import { Mailbox, MAILBOX_DEFAULTS } from '../../../protocols/mailbox.ts';
import type { ChannelOptions } from '../../../protocols/channel.ts';
import type { Codec } from '../../../protocols/codec.ts';
import { invalid } from '../../../protocols/fields.ts';
import { MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import { asPeerId, type PeerId } from '../../../src/core/ids.ts';
import { Collector, memoryNetwork, type MemoryNetwork } from './memory-network.ts';

/** Text, but for one word that nobody understands. */
const textCodec: Codec<string> = {
  encode: (message) => new TextEncoder().encode(message),
  decode: (bytes) => {
    const message = new TextDecoder().decode(bytes);
    if (message === 'gibberish') throw invalid('gibberish');
    return message;
  },
};

const OPTIONS: ChannelOptions = { ...MAILBOX_DEFAULTS, protocol: '/test/1.0.0', maxFrameBytes: 1024 * 1024 };

interface End {
  readonly id: PeerId;
  readonly mailbox: Mailbox<string>;
  readonly received: Collector<string>;
  readonly violations: Collector<MeshError>;
}

async function open(network: MemoryNetwork, options: ChannelOptions = OPTIONS): Promise<End[]> {
  return Promise.all(
    network.peers.map(async ({ id, components }) => {
      const mailbox = new Mailbox(components, textCodec, options);
      const received = new Collector<string>();
      const violations = new Collector<MeshError>();
      mailbox.onMessage((_, message) => received.add(message));
      mailbox.onViolation((_, error) => violations.add(error));
      await mailbox.start();
      return { id, mailbox, received, violations };
    }),
  );
}

const withCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    error instanceof MeshError && error.code === code;

describe('protocols/mailbox', () => {
  it('delivers messages in order over one stream, with the id of their sender', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    const senders = new Set<PeerId>();
    b.mailbox.onMessage((from) => senders.add(from));
    const messages = Array.from({ length: 200 }, (_, index) => `message ${index}`);
    await Promise.all(messages.map((message) => a.mailbox.send(b.id, message)));
    assert.deepEqual(await b.received.next(200), messages);
    assert.deepEqual([...senders], [a.id]);
    assert.equal(network.peers[0]!.opened.length, 1);
  });

  it('delivers to itself later, in order, and without a stream', async () => {
    const network = await memoryNetwork(1);
    const [a] = (await open(network)) as [End];
    const sent = Promise.all([a.mailbox.send(a.id, 'one'), a.mailbox.send(a.id, 'two')]);
    assert.deepEqual(a.received.items, []);
    await sent;
    assert.deepEqual(await a.received.next(2), ['one', 'two']);
    assert.equal(network.peers[0]!.opened.length, 0);
  });

  it('broadcasts to all and names those it could not reach', async () => {
    const network = await memoryNetwork(3);
    const [a, b, c] = (await open(network)) as [End, End, End];
    network.unplug(c.id);
    const failures = await a.mailbox.broadcast([a.id, b.id, c.id], 'hello');
    assert.deepEqual(await a.received.next(1), ['hello']);
    assert.deepEqual(await b.received.next(1), ['hello']);
    assert.deepEqual([...failures.keys()], [c.id]);
    assert.equal(failures.get(c.id)?.code, 'PEER_LOST');
  });

  it('fails with PEER_LOST when the peer cannot be reached', async () => {
    const network = await memoryNetwork(1);
    const [a] = (await open(network)) as [End];
    const nobody = asPeerId('12D3KooWD3bfmNbuuuVCYwkjnFt3ukm3qaB3hDED3peHHXawvRAi');
    await assert.rejects(a.mailbox.send(nobody, 'hello'), withCode('PEER_LOST'));
    assert.equal(a.mailbox.queuedBytes(nobody), 0);
  });

  it('opens another stream after one broke', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    await a.mailbox.send(b.id, 'before');
    await b.received.next(1);
    network.peers[0]!.opened[0]!.abort(new Error('cut'));
    await a.mailbox.send(b.id, 'after');
    assert.deepEqual(await b.received.next(2), ['before', 'after']);
    assert.equal(network.peers[0]!.opened.length, 2);
  });

  it('drops what comes on a stream after its sender has used another one', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    await a.mailbox.send(b.id, 'first');
    await b.received.next(1);
    const [before] = network.peers[0]!.opened;
    const { connectionManager } = network.peers[0]!.components;
    const connection = await connectionManager.openConnection(network.peers[1]!.components.peerId);
    const after = await connection.newStream(OPTIONS.protocol);
    const closed = new Promise((resolve) => before!.addEventListener('close', resolve, { once: true }));
    after.send(Uint8Array.of(3, ...Buffer.from('new')));
    await closed;
    assert.throws(() => before!.send(Uint8Array.of(3, ...Buffer.from('old'))));
    await a.mailbox.send(b.id, 'next');
    assert.deepEqual(await b.received.next(3), ['first', 'new', 'next']);
  });

  it('resets a stream that carries a malformed message, reports its sender and goes on with the next stream', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    await a.mailbox.send(b.id, 'gibberish');
    const [violation] = await b.violations.next(1);
    assert.equal(violation?.code, 'INVALID_MESSAGE');
    const stream = network.peers[0]!.opened[0]!;
    if (stream.status === 'open') {
      await new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }));
    }
    await a.mailbox.send(b.id, 'sense');
    assert.deepEqual(await b.received.next(1), ['sense']);
  });

  it('resets a stream that announces a frame larger than allowed', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    await a.mailbox.send(b.id, 'hello');
    // The length 2^31 as a varint, with nothing behind it.
    network.peers[0]!.opened[0]!.send(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x08));
    const [violation] = await b.violations.next(1);
    assert.equal(violation?.code, 'INVALID_MESSAGE');
  });

  it('refuses what is larger than a frame before sending anything', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    await assert.rejects(a.mailbox.send(b.id, 'x'.repeat(2 * 1024 * 1024)), withCode('PAYLOAD_TOO_LARGE'));
    assert.equal(network.peers[0]!.opened.length, 0);
  });

  it('refuses with OVERLOADED what exceeds the queue, and takes more once it has drained', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network, { ...OPTIONS, maxQueuedShipments: 3 })) as [End, End];
    const outcomes = await Promise.allSettled(['1', '2', '3', '4'].map((message) => a.mailbox.send(b.id, message)));
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
    );
    assert.ok(withCode('OVERLOADED')((outcomes[3] as PromiseRejectedResult).reason));
    await a.mailbox.send(b.id, '5');
    assert.deepEqual(await b.received.next(4), ['1', '2', '3', '5']);
  });

  it('drops a cancelled message that still waits, and only that', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    const controller = new AbortController();
    const first = a.mailbox.send(b.id, 'first');
    const second = a.mailbox.send(b.id, 'second', controller.signal);
    const third = a.mailbox.send(b.id, 'third', new AbortController().signal);
    controller.abort();
    await assert.rejects(second, withCode('CANCELLED'));
    await Promise.all([first, third]);
    assert.deepEqual(await b.received.next(2), ['first', 'third']);
    await assert.rejects(a.mailbox.send(b.id, 'fourth', controller.signal), withCode('CANCELLED'));
  });

  it('fails what waits and what comes later with UNAVAILABLE once stopped', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    const waiting = a.mailbox.send(b.id, 'waiting');
    const checked = assert.rejects(waiting, withCode('UNAVAILABLE'));
    await a.mailbox.stop();
    await checked;
    await assert.rejects(a.mailbox.send(b.id, 'late'), withCode('UNAVAILABLE'));
  });
});
