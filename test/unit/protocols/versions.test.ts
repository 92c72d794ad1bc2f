import assert from 'node:assert/strict';
import type { ChannelOptions } from '../../../protocols/channel.ts';
import type { Codec } from '../../../protocols/codec.ts';
import { Mailbox, MAILBOX_DEFAULTS } from '../../../protocols/mailbox.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { Collector, memoryNetwork } from './memory-network.ts';

const textCodec: Codec<string> = {
  encode: (message) => new TextEncoder().encode(message),
  decode: (bytes) => new TextDecoder().decode(bytes),
};
const builds = {
  old: { protocol: '/test/1.0.0' },
  new: { protocol: '/test/2.0.0', olderProtocols: ['/test/1.0.0'] },
  newest: { protocol: '/test/3.0.0', olderProtocols: ['/test/2.0.0'] },
} as const;
type Build = keyof typeof builds;

describe('versions of a protocol', () => {
  /** Sends from one build to another; the version they used. */
  async function talk(from: Build, to: Build): Promise<string> {
    const network = await memoryNetwork(2);
    const [sender, receiver] = network.peers.map(({ components }, index) => {
      const options: ChannelOptions = { ...MAILBOX_DEFAULTS, maxFrameBytes: 1000, ...builds[index === 0 ? from : to] };
      return new Mailbox(components, textCodec, options);
    }) as [Mailbox<string>, Mailbox<string>];
    const received = new Collector<string>();
    receiver.onMessage((_, message) => received.add(message));
    await sender.start();
    await receiver.start();
    await sender.send(network.peers[1]!.id, 'hello');
    assert.deepEqual(await received.next(1), ['hello']);
    await sender.stop();
    await receiver.stop();
    return network.peers[0]!.protocolsOpened[0]!;
  }

  const pairs: readonly (readonly [Build, Build, string])[] = [
    ['old', 'old', '/test/1.0.0'],
    ['old', 'new', '/test/1.0.0'],
    ['new', 'old', '/test/1.0.0'],
    ['new', 'new', '/test/2.0.0'],
    ['newest', 'new', '/test/2.0.0'],
    ['newest', 'newest', '/test/3.0.0'],
  ];
  for (const [from, to, version] of pairs) {
    it(`from ${from} to ${to}: the newest that both speak, ${version}`, async () => {
      assert.equal(await talk(from, to), version);
    });
  }

  it('two versions apart is too far', async () => {
    await assert.rejects(talk('newest', 'old'), (error) => error instanceof MeshError && error.code === 'PEER_LOST');
  });
});
