/** What only real streams show: noise, yamux and TCP between two processes. */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { multiaddr } from '@multiformats/multiaddr';
import type { ElectionMessage } from '../../../protocols/election/messages.ts';
import type { Piece } from '../../../protocols/pieces/messages.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { asPeerId, type ModelId, type PeerId, type RequestId } from '../../../src/core/ids.ts';
import { createNode, type TestNode } from './node.ts';
import type { Command, Report } from './remote.ts';

const MIB = 1024 * 1024;
const REQUEST_ID = '00112233445566778899aabbccddeeff' as RequestId;

const pieceOf = (part: number, bytes: Uint8Array): Piece => ({
  requestId: REQUEST_ID,
  term: 1,
  attempt: 1,
  block: 0,
  part,
  tensor: 'x',
  type: 'uint8',
  region: [{ start: 0, end: bytes.byteLength }],
  bytes,
});

/** Bytes outside of the JavaScript heap that something still refers to. */
function retainedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // The first frees the buffers while others run on; the second waits for that.
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}

const isLost = (error: unknown): boolean => error instanceof MeshError && error.code === 'PEER_LOST';

/** The reports of the other process, in order. */
class Remote {
  readonly #process: ChildProcess;
  readonly #reports: Report[] = [];
  #wake = Promise.withResolvers<undefined>();

  constructor() {
    this.#process = fork(path.join(import.meta.dirname, 'remote.ts'), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#process.on('message', (value: Report) => {
      this.#reports.push(value);
      this.#wake.resolve(undefined);
    });
  }

  async next<K extends Report['kind']>(kind: K): Promise<Extract<Report, { kind: K }>> {
    for (;;) {
      const value = this.#reports.shift();
      if (value?.kind === kind) return value as Extract<Report, { kind: K }>;
      if (value !== undefined) continue;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }

  async freeze(durationMs: number): Promise<void> {
    this.#process.send({ kind: 'freeze', durationMs } satisfies Command);
    await this.next('frozen');
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}

describe('protocols over loopback TCP', function () {
  this.timeout(60_000);
  let node: TestNode;
  let remote: Remote;
  let peer: PeerId;

  beforeEach(async () => {
    remote = new Remote();
    node = await createNode();
    const { address } = await remote.next('listening');
    const connection = await node.dial(multiaddr(address));
    peer = asPeerId(connection.remotePeer.toString());
  });

  afterEach(async () => {
    remote.kill();
    await node.stop();
  });

  it('keeps memory bounded and messages in order when the reader is slow', async () => {
    const { election } = node.services;
    const report = randomBytes(64 * 1024);
    const messageOf = (term: number): ElectionMessage => ({
      kind: 'complete',
      requestId: REQUEST_ID,
      term,
      report,
    });
    await election.send(peer, messageOf(1));
    await remote.next('message');
    const before = retainedBytes();
    await remote.freeze(1500);
    // 128 MiB offered at once; what does not fit is refused rather than kept.
    const sending = Promise.allSettled(
      Array.from({ length: 2048 }, (_, index) => election.send(peer, messageOf(index + 2))),
    );
    let mostBytes = 0;
    const sampling = setInterval(() => (mostBytes = Math.max(mostBytes, retainedBytes() - before)), 100);
    const outcomes = await sending;
    clearInterval(sampling);
    const accepted = outcomes.flatMap(({ status }, index) => (status === 'fulfilled' ? [index + 2] : []));
    const refusals = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as MeshError] : [],
    );
    assert.ok(refusals.length > 0 && accepted.length > 100, `${accepted.length} accepted`);
    assert.ok(refusals.every(({ code }) => code === 'OVERLOADED'));
    assert.ok(mostBytes > 0 && mostBytes < 32 * MIB, `held up to ${mostBytes} bytes`);
    for (const term of accepted) {
      assert.deepEqual(await remote.next('message'), { kind: 'message', term, byteLength: report.byteLength });
    }
    assert.equal(election.queuedBytes(peer), 0);
  });

  it('carries 64 MiB of pieces intact, also to a receiver that freezes meanwhile', async () => {
    const { pieces } = node.services;
    const sizes = [32 * MIB, 1, 0, 100_000, 24 * MIB + 3, 8 * MIB];
    const sent = sizes.map((size, part) => pieceOf(part, randomBytes(size)));
    const sending = Promise.all(sent.map((piece) => pieces.send(peer, piece)));
    await remote.freeze(300);
    await sending;
    for (const { part, bytes } of sent) {
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      assert.deepEqual(await remote.next('piece'), { kind: 'piece', part, byteLength: bytes.byteLength, sha256 });
    }
    assert.equal(pieces.traffic().get(peer)?.piecesSent, sizes.length);
  });

  it('streams chunks of a blob to a consumer', async () => {
    const { signal } = new AbortController();
    const indices = Array.from({ length: 16 }, (_, index) => index);
    const received: number[] = [];
    for await (const { index, bytes } of node.services.blobs.chunks(
      peer,
      'ab'.repeat(32) as ModelId,
      indices,
      signal,
    )) {
      assert.ok(bytes.byteLength === MIB && bytes[0] === index && bytes.at(-1) === index);
      received.push(index);
    }
    assert.deepEqual(received, indices);
  });

  it('fails sends with PEER_LOST within a second of the remote being killed', async () => {
    const { pieces, election } = node.services;
    await remote.freeze(30_000);
    const sends = [
      pieces.send(peer, pieceOf(0, new Uint8Array(64 * MIB))),
      pieces.send(peer, pieceOf(1, new Uint8Array(1))),
    ].map((send) => assert.rejects(send, isLost));
    const killedAt = performance.now();
    remote.kill();
    await Promise.all(sends);
    await assert.rejects(election.send(peer, { kind: 'cancel', requestId: REQUEST_ID, term: 1 }), isLost);
    assert.ok(performance.now() - killedAt < 1000, `took ${performance.now() - killedAt} ms`);
  });
});
