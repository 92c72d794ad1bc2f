/** How it is decided between lanes and streams, and what becomes of a lane, between nodes in this process. */
import assert from 'node:assert/strict';
import type { LaneChoice, LanesOptions, LanesService } from '../../../protocols/lane/service.ts';
import type { Piece } from '../../../protocols/pieces/messages.ts';
import { asPeerId, type PeerId, type RequestId } from '../../../src/core/ids.ts';
import { Collector } from '../../unit/protocols/memory-network.ts';
import { createNode, type DataPlane, type TestNode } from './node.ts';

const pieceOf = (part: number): Piece => ({
  requestId: '00112233445566778899aabbccddeeff' as RequestId,
  term: 1,
  attempt: 1,
  block: 0,
  part,
  tensor: 'x',
  type: 'uint8',
  region: [{ start: 0, end: 100_000 }],
  bytes: new Uint8Array(100_000).fill(part),
});

interface End {
  readonly node: TestNode;
  readonly id: PeerId;
  readonly parts: Collector<number>;
  readonly choices: Collector<LaneChoice>;
}

describe('lanes between nodes', function () {
  this.timeout(30_000);
  const ends: End[] = [];

  async function start(dataPlane: DataPlane, options: Partial<LanesOptions> = {}): Promise<End> {
    const choices = new Collector<LaneChoice>();
    const parts = new Collector<number>();
    const node = await createNode(dataPlane, { ...options, onChoice: choices.add });
    node.services.pieces.onPiece((_, { part, bytes }) => {
      if (bytes.every((byte) => byte === part)) parts.add(part);
    });
    const end = { node, id: asPeerId(node.peerId.toString()), parts, choices };
    ends.push(end);
    return end;
  }
  afterEach(async () => {
    await Promise.all(ends.splice(0).map(async ({ node }) => node.stop()));
  });

  const connect = (a: End, b: End) => a.node.dial(b.node.getMultiaddrs());
  const openLanes = ({ node }: End): LanesService['open'] | undefined => node.services.lanes?.open;
  const isLane = ({ carrier }: LaneChoice): boolean => carrier === 'lane';

  it('shares one lane between protocols, and another one the other way', async () => {
    const [a, b] = [await start('auto'), await start('auto')];
    await connect(a, b);
    const elections = new Collector<number>();
    b.node.services.election.onMessage((_, { term }) => elections.add(term));
    const { requestId } = pieceOf(0);
    await Promise.all([
      a.node.services.pieces.send(b.id, pieceOf(1)),
      a.node.services.election.send(b.id, { kind: 'cancel', requestId, term: 7 }),
    ]);
    await Promise.all([b.parts.next(1), elections.next(1)]);
    assert.deepEqual(a.choices.items.map(isLane), [true]);
    assert.deepEqual(openLanes(a), { outgoing: 1, incoming: 0 });
    await b.node.services.pieces.send(a.id, pieceOf(2));
    await a.parts.next(1);
    assert.deepEqual(openLanes(a), { outgoing: 1, incoming: 1 });
  });

  const refusals: readonly (readonly [
    why: string,
    theirs: DataPlane,
    ours: Partial<LanesOptions>,
    theirOptions?: Partial<LanesOptions>,
  ])[] = [
    ['does not know lanes', 'streams', {}],
    ['has too many', 'auto', {}, { maxLanes: 0 }],
    // Closes every connection at once, as a firewall does.
    ['cannot get through to the port', 'auto', { maxHandshakes: 0 }],
  ];
  for (const [why, theirs, ours, theirOptions] of refusals) {
    it(`sends by streams to a peer that ${why}, and does not ask again at once`, async () => {
      const [a, b] = [await start('auto', ours), await start(theirs, theirOptions)];
      await connect(a, b);
      await a.node.services.pieces.send(b.id, pieceOf(1));
      await a.node.services.election.send(b.id, { kind: 'cancel', requestId: pieceOf(0).requestId, term: 1 });
      assert.deepEqual(await b.parts.next(1), [1]);
      assert.deepEqual(a.choices.items.map(isLane), [false]);
      assert.notEqual(a.choices.items[0]?.reason, undefined);
      assert.equal(openLanes(a)?.outgoing, 0);
    });
  }

  it('takes pieces from a peer that knows streams only', async () => {
    const [a, b] = [await start('streams'), await start('auto')];
    await connect(a, b);
    await a.node.services.pieces.send(b.id, pieceOf(1));
    assert.deepEqual(await b.parts.next(1), [1]);
  });

  it('fails with PEER_LOST, without trying a stream, when there is no such peer', async () => {
    const [a, b] = [await start('auto'), await start('auto')];
    await b.node.stop();
    await assert.rejects(a.node.services.pieces.send(b.id, pieceOf(1)), { code: 'PEER_LOST' });
    assert.deepEqual(a.choices.items, []);
  });

  it('closes lanes with the connection to their peer, and opens others with the next', async () => {
    const [a, b] = [await start('auto'), await start('auto')];
    await connect(a, b);
    await a.node.services.pieces.send(b.id, pieceOf(1));
    await b.parts.next(1);
    const gone = new Promise((resolve) => b.node.addEventListener('peer:disconnect', resolve, { once: true }));
    await a.node.hangUp(b.node.peerId);
    await gone;
    for (const end of [a, b]) assert.deepEqual(openLanes(end), { outgoing: 0, incoming: 0 });
    await connect(a, b);
    await a.node.services.pieces.send(b.id, pieceOf(2));
    assert.deepEqual(await b.parts.next(2), [1, 2]);
    assert.deepEqual(a.choices.items.map(isLane), [true, true]);
  });

  it('opens another lane when one broke', async () => {
    const [a, b] = [await start('auto'), await start('auto')];
    await connect(a, b);
    await a.node.services.pieces.send(b.id, pieceOf(1));
    await b.parts.next(1);
    // What the receiver cannot understand makes it break the lane.
    const violations = new Collector<string>();
    b.node.services.election.onViolation((_, { code }) => violations.add(code));
    const lane = await a.node.services.lanes?.carrierTo(b.id, {
      protocol: '/tilemesh/election/1.0.0',
      maxFrameBytes: 100,
      maxStreams: 1,
      openTimeoutMs: 1_000,
      stallTimeoutMs: 1_000,
    });
    await lane?.write(Uint8Array.of(0xff));
    assert.deepEqual(await violations.next(1), ['INVALID_MESSAGE']);
    await new Promise<void>((resolve) => lane?.onceClosed(resolve));
    await a.node.services.pieces.send(b.id, pieceOf(2));
    assert.deepEqual(await b.parts.next(2), [1, 2]);
    assert.deepEqual(a.choices.items.map(isLane), [true, true]);
  });
});
