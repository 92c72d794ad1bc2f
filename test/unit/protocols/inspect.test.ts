import assert from 'node:assert/strict';
import { BytePool } from '../../../protocols/byte-pool.ts';
import { MAX_DOCUMENT_BYTES, MAX_SERVED_PER_PEER, PROTOCOL_ID } from '../../../protocols/inspect/constants.ts';
import { answerCodec, questionCodec, type Answer, type Question } from '../../../protocols/inspect/messages.ts';
import type { InspectProvider } from '../../../protocols/inspect/server.ts';
import { inspect, type InspectService } from '../../../protocols/inspect/service.ts';
import { MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import type { PeerId, PlanDigest, RequestId } from '../../../src/core/ids.ts';
import { memoryNetwork, type MemoryNetwork } from './memory-network.ts';

const REQUEST = 'ab'.repeat(16) as RequestId;
const DIGEST = 'cd'.repeat(32) as PlanDigest;
const { signal } = new AbortController();
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const PROVIDER: InspectProvider = {
  clockMs: () => 12.5,
  account: (requestId) => (requestId === REQUEST ? bytesOf('{"account":1}') : null),
  plan: () => new Uint8Array(MAX_DOCUMENT_BYTES + 1),
  requests: () => bytesOf('[]'),
  card: () => Promise.resolve(bytesOf('{"card":1}')),
};

interface End {
  readonly id: PeerId;
  readonly service: InspectService;
}

async function open(network: MemoryNetwork, init: Parameters<typeof inspect>[0] = {}): Promise<[End, End]> {
  const ends = network.peers.map(({ id, components }) => ({ id, service: inspect(init)(components) }));
  await Promise.all(ends.map(({ service }) => service.start()));
  return ends as [End, End];
}

const withCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    error instanceof MeshError && error.code === code;

describe('protocols/inspect', () => {
  it('reads what it wrote, all kinds of questions and answers', () => {
    const questions: Question[] = [
      { kind: 'clock' },
      { kind: 'requests' },
      { kind: 'card' },
      { kind: 'account', requestId: REQUEST },
      { kind: 'plan', digest: DIGEST },
    ];
    for (const question of questions) assert.deepEqual(questionCodec.decode(questionCodec.encode(question)), question);
    const answers: Answer[] = [
      { kind: 'clock', clockMs: 3.25 },
      { kind: 'document', bytes: bytesOf('{}') },
      { kind: 'absent' },
      { kind: 'refused', code: 'OVERLOADED', message: 'later' },
    ];
    for (const answer of answers) assert.deepEqual(answerCodec.decode(answerCodec.encode(answer)), answer);
  });

  it('answers several questions on one stream', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = await open(network);
    b.service.provide(PROVIDER);
    const heard = await a.service.ask(
      b.id,
      async (session) => [
        await session.clock(),
        await session.document({ kind: 'account', requestId: REQUEST }),
        await session.document({ kind: 'account', requestId: '0'.repeat(32) as RequestId }),
        await session.document({ kind: 'card' }),
      ],
      signal,
    );
    assert.deepEqual(heard, [12.5, bytesOf('{"account":1}'), null, bytesOf('{"card":1}')]);
    assert.equal(network.peers[0]!.opened.length, 1);
  });

  it('says why it does not answer: too large, or nobody provides', async () => {
    const [a, b] = await open(await memoryNetwork(2));
    const ask = () => a.service.ask(b.id, (session) => session.document({ kind: 'plan', digest: DIGEST }), signal);
    await assert.rejects(ask(), withCode('OVERLOADED'));
    b.service.provide(PROVIDER);
    await assert.rejects(ask(), withCode('PAYLOAD_TOO_LARGE'));
  });

  it('refuses with OVERLOADED what does not fit beside the answers to all peers', async () => {
    const queuePool = new BytePool(1_000);
    const [a, b] = await open(await memoryNetwork(2), { queuePool });
    b.service.provide({ ...PROVIDER, requests: () => new Uint8Array(400) });
    const others = queuePool.shareOf('another peer' as PeerId);
    const ask = () => a.service.ask(b.id, (session) => session.document({ kind: 'requests' }), signal);
    others.hold(800);
    await assert.rejects(ask(), withCode('OVERLOADED'));
    others.hold(0);
    assert.equal((await ask())?.byteLength, 400);
  });

  it('gives up on a peer that does not answer in time, and on one that is gone', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = await open(network, { answerTimeoutMs: 50 });
    b.service.provide({ ...PROVIDER, card: () => new Promise(() => undefined) });
    const ask = () => a.service.ask(b.id, (session) => session.document({ kind: 'card' }), signal);
    await assert.rejects(ask(), withCode('DEADLINE_EXCEEDED'));
    network.unplug(b.id);
    await assert.rejects(ask(), withCode('PEER_LOST'));
  });

  it('serves one peer only so many streams at a time', async () => {
    const [a, b] = await open(await memoryNetwork(2));
    const release = Promise.withResolvers<null>();
    b.service.provide({ ...PROVIDER, card: () => release.promise });
    const ask = () => a.service.ask(b.id, (session) => session.document({ kind: 'card' }), signal);
    const held = Array.from({ length: MAX_SERVED_PER_PEER }, ask);
    await assert.rejects(ask(), withCode('OVERLOADED'));
    release.resolve(null);
    assert.deepEqual(await Promise.all(held), [null, null, null, null]);
  });

  it('resets the stream of a peer that breaks the protocol, and says so', async () => {
    const network = await memoryNetwork(2);
    const [, b] = await open(network);
    b.service.provide(PROVIDER);
    const violation = new Promise<ErrorCode>((resolve) => b.service.onViolation((_, { code }) => resolve(code)));
    const connection = await network.peers[0]!.components.connectionManager.openConnection({
      toString: () => b.id,
    } as never);
    const stream = await connection.newStream(PROTOCOL_ID);
    stream.send(Uint8Array.of(2, 0xff, 0xff));
    assert.equal(await violation, 'INVALID_MESSAGE');
  });
});
