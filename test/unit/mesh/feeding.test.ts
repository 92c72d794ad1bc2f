import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Piece } from '../../../protocols/pieces/messages.ts';
import type { Feed, PlanMessage } from '../../../protocols/plan/messages.ts';
import { wholeRegion } from '../../../src/core/geometry/region.ts';
import { asPeerId, type ModelId, type PeerId, type PlanDigest, type RequestId } from '../../../src/core/ids.ts';
import { encodePlan } from '../../../src/core/plan/encode.ts';
import { PLAN_SCHEMA } from '../../../src/core/plan/plan.ts';
import { fromFloat32 } from '../../../src/core/tensor/tensor.ts';
import { Feeding } from '../../../src/mesh/feeding.ts';
import type { MemberDirectory, ModelAccess } from '../../../src/mesh/ports.ts';
import { SYSTEM_CLOCK } from '../../../src/mesh/ports.ts';
import { Recorder } from '../../../src/mesh/recording.ts';
import { Preparation } from '../../../src/mesh/preparation.ts';
import { silentLogger } from '../../../src/observability/logger.ts';
import { graphOf, node, value } from '../core/graph/small-graphs.ts';

const COORDINATOR = asPeerId('coordinator');
const WORKER = asPeerId('worker');
const SHAPE = [1, 4];
const ID = { requestId: '0'.repeat(32) as RequestId, term: 1 };

const plan = encodePlan({
  schema: PLAN_SCHEMA,
  modelId: 'a'.repeat(64) as ModelId,
  inputs: { x: { type: 'float32', shape: SHAPE } },
  arithmetic: 'exact',
  participants: [WORKER],
  blocks: [
    {
      first: 0,
      last: 0,
      cut: { axes: [], counts: [] },
      parts: [{ participant: 0, outputs: { y: wholeRegion(SHAPE) }, predictedMs: 1 }],
    },
  ],
  predictedMs: 1,
  singleMs: 1,
});
const digest = createHash('sha256').update(plan).digest('hex') as PlanDigest;
const feed = (attempt: number, own: Partial<Feed> = {}): Feed => ({ kind: 'feed', ...ID, attempt, digest, ...own });

/** Everything that is due without waiting has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('mesh/feeding', () => {
  let told: PlanMessage[];
  let sent: { readonly to: PeerId; readonly piece: Piece; readonly signal: AbortSignal | undefined }[];
  let changes: number;
  let feeding: Feeding;
  let hold: Promise<void>;

  beforeEach(() => {
    told = [];
    sent = [];
    changes = 0;
    hold = Promise.resolve();
    const models = {
      graph: () => Promise.resolve(graphOf([node('Relu', ['x'], ['y'])], [value('x', ...SHAPE)], ['y'])),
    } as Partial<ModelAccess> as ModelAccess;
    const planner = { plan: () => Promise.reject(new Error('nobody plans here')), close: () => Promise.resolve() };
    feeding = new Feeding(
      {
        members: { self: asPeerId('entry') } as MemberDirectory,
        plans: {
          send: (to, message) => {
            assert.equal(to, COORDINATOR);
            told.push(message);
            return Promise.resolve();
          },
          onMessage: () => () => undefined,
        },
        pieces: {
          admit: () => true,
          onPiece: () => () => undefined,
          send: async (to, piece, signal) => {
            sent.push({ to, piece, signal });
            await hold;
          },
        },
        clock: SYSTEM_CLOCK,
        records: new Recorder(SYSTEM_CLOCK),
        preparation: new Preparation(models, planner, 'exact'),
        logger: silentLogger(),
      },
      new Map([['x', fromFloat32(SHAPE, [1, 2, 3, 4])]]),
      () => changes++,
    );
  });

  const kinds = (): string[] => told.map(({ kind }) => kind);

  it('carries out a plan that comes before the word that its sender coordinates', async () => {
    feeding.offer(feed(1, { plan }));
    await settled();
    assert.equal(sent.length, 0);
    feeding.follow(COORDINATOR);
    await settled();
    assert.deepEqual(
      sent.map(({ to, piece }) => [to, piece.tensor, piece.attempt]),
      [[WORKER, 'x', 1]],
    );
    assert.deepEqual(kinds(), ['fed']);
  });

  it('asks for a plan that it lacks, and knows it from then on', async () => {
    feeding.follow(COORDINATOR);
    feeding.offer(feed(1));
    await settled();
    assert.deepEqual(told, [{ kind: 'lack', ...ID, attempt: 1, isFeed: true }]);
    feeding.offer(feed(1, { plan }));
    await settled();
    feeding.offer(feed(2));
    await settled();
    assert.deepEqual(kinds(), ['lack', 'fed', 'fed']);
    assert.deepEqual(
      sent.map(({ piece }) => piece.attempt),
      [1, 2],
    );
  });

  it('gives up an attempt when a newer one begins, and says nothing more of it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    hold = promise;
    feeding.follow(COORDINATOR);
    feeding.offer(feed(1, { plan }));
    await settled();
    hold = Promise.resolve();
    feeding.offer(feed(2));
    assert.ok(sent[0]!.signal!.aborted);
    await settled();
    feeding.offer(feed(1));
    resolve();
    await settled();
    assert.equal(feeding.handover?.id.attempt, 2);
    assert.deepEqual(
      told.map((message) => message.attempt),
      [2],
    );
  });

  it('refuses a plan that is not the one it is called', async () => {
    feeding.follow(COORDINATOR);
    feeding.offer(feed(1, { plan, digest: 'b'.repeat(64) as PlanDigest }));
    await settled();
    assert.equal(sent.length, 0);
    assert.ok(told[0]!.kind === 'failed' && told[0].code === 'INVALID_MESSAGE');
  });

  it('takes nothing any more for a term that is over', async () => {
    feeding.follow(COORDINATOR);
    feeding.offer(feed(1, { plan }));
    await settled();
    const output = { ...ID, attempt: 1, block: 0xffff_ffff, part: 0, tensor: 'y', type: 'float32' } as const;
    const piece = { ...output, region: wholeRegion(SHAPE), bytes: new Uint8Array(16) };
    assert.ok(feeding.admits(WORKER, { ...piece, byteLength: 16 }));
    feeding.reset();
    assert.ok(!feeding.admits(WORKER, { ...piece, byteLength: 16 }));
    const before = changes;
    feeding.accept(WORKER, piece);
    assert.equal(changes, before);
  });
});
