import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ERROR_CODES, MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import { asPeerId, type ModelId, type PlanDigest, type RequestId } from '../../../src/core/ids.ts';
import { ELEMENT_BYTES, type DataType } from '../../../src/core/tensor/data-type.ts';
import { requestCodec, responseCodec, type BlobRequest, type BlobResponse } from '../../../protocols/blobs/messages.ts';
import type { Codec } from '../../../protocols/codec.ts';
import { answerCodec, type AnswerMessage } from '../../../protocols/answers/messages.ts';
import { electionCodec, type ElectionMessage } from '../../../protocols/election/messages.ts';
import { MAX_FRAME_BYTES } from '../../../protocols/health/constants.ts';
import { healthCodec, type HealthMessage } from '../../../protocols/health/messages.ts';
import type { Heartbeat } from '../../../src/core/membership/heartbeat.ts';
import { fitting, type Told } from '../../../src/core/membership/messages.ts';
import { planCodec, type PlanMessage, type TilePlace } from '../../../protocols/plan/messages.ts';

const hex = (digits: number) =>
  fc.string({
    unit: fc.integer({ min: 0, max: 15 }).map((digit) => digit.toString(16)),
    minLength: digits,
    maxLength: digits,
  });
const requestId = hex(32) as fc.Arbitrary<RequestId>;
const modelId = hex(64) as fc.Arbitrary<ModelId>;
const ordinal = fc.integer({ min: 1, max: 0xffff_ffff });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bytesCount = fc.maxSafeNat();
const amount = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
const name = fc.string({ maxLength: 100 });
const bytes = fc.uint8Array({ maxLength: 200 });
const code = fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[]));
const PEER = asPeerId('12D3KooWGq2ZrqgD5y2Fv1ozF3q1Yh4nN6tC6i4h1bq1y7xW1abc');
const peer = fc.constant(PEER);
const digest = hex(64) as fc.Arbitrary<PlanDigest>;
const tensorSpec = fc.record({
  name,
  type: fc.constantFrom(...(Object.keys(ELEMENT_BYTES) as DataType[])),
  shape: fc.array(uint32, { maxLength: 8 }),
});
const specs = fc.array(tensorSpec, { maxLength: 4 });

const election = { requestId, term: ordinal };
const electionMessage: fc.Arbitrary<ElectionMessage> = fc.oneof(
  fc.record({
    ...election,
    kind: fc.constant('propose' as const),
    modelId,
    parallelism: uint32,
    deadlineMs: uint32,
    inputs: specs,
    avoid: fc.array(peer, { maxLength: 4 }),
  }),
  fc.record({ ...election, kind: fc.constant('accept' as const), leaseMs: uint32 }),
  fc.record({ ...election, kind: fc.constant('decline' as const), code, message: name }),
  fc.record({
    ...election,
    kind: fc.constant('renew' as const),
    stage: fc.string({ maxLength: 64 }),
    completed: uint32,
    total: uint32,
  }),
  fc.record({ ...election, kind: fc.constant('complete' as const), report: bytes }),
  fc.record({ ...election, kind: fc.constant('fail' as const), code, message: name, lostPeer: peer }),
  fc.record({ ...election, kind: fc.constant('fail' as const), code, message: name }),
  fc.record({ ...election, kind: fc.constant('cancel' as const) }),
);

const answer = { requestId: election.requestId };
const answerMessage: fc.Arbitrary<AnswerMessage> = fc.oneof(
  fc.record(
    { ...answer, kind: fc.constant('claim' as const), question: digest, insteadOf: peer, granted: uint32 },
    { requiredKeys: ['requestId', 'kind', 'question', 'granted'] },
  ),
  fc.record(
    { ...answer, kind: fc.constant('verdict' as const), owner: peer, generation: ordinal },
    { requiredKeys: ['requestId', 'kind', 'generation'] },
  ),
  fc.record({ ...answer, kind: fc.constant('release' as const) }),
  fc.record({ ...answer, kind: fc.constant('recall' as const), deadlineMs: uint32 }),
  bytes.map((part) => ({
    kind: 'part' as const,
    requestId: '00112233445566778899aabbccddeeff' as RequestId,
    total: part.byteLength + 7,
    offset: 7,
    bytes: part,
  })),
  fc.record({ ...answer, kind: fc.constant('absent' as const) }),
);

const plan = { ...election, attempt: ordinal };
const planMessage: fc.Arbitrary<PlanMessage> = fc.oneof(
  fc.record(
    {
      ...plan,
      kind: fc.constant('assign' as const),
      modelId,
      digest,
      plan: bytes,
      entry: peer,
      isAwaited: fc.boolean(),
      deadlineMs: uint32,
    },
    { requiredKeys: ['requestId', 'term', 'attempt', 'kind', 'modelId', 'digest', 'entry', 'isAwaited', 'deadlineMs'] },
  ),
  fc.record({ ...plan, kind: fc.constant('ready' as const) }),
  fc.record({ ...plan, kind: fc.constant('refuse' as const), code, message: name }),
  fc.record({ ...plan, kind: fc.constant('preparing' as const), completedBytes: bytesCount, totalBytes: bytesCount }),
  fc.record({
    ...plan,
    kind: fc.constant('progress' as const),
    tiles: fc.array(fc.record({ block: uint32, part: uint32 }), { maxLength: 5 }),
  }),
  fc.record({ ...plan, kind: fc.constant('finished' as const), report: bytes }),
  fc.record({ ...plan, kind: fc.constant('failed' as const), code, message: name, lostPeer: peer }),
  fc.record({ ...plan, kind: fc.constant('abort' as const), reason: name }),
  fc.record({ ...plan, kind: fc.constant('lack' as const), isFeed: fc.boolean() }),
  fc.record({ ...plan, kind: fc.constantFrom('missed' as const, 'fed' as const) }),
  fc.record(
    { ...plan, kind: fc.constant('feed' as const), digest, plan: bytes },
    { requiredKeys: ['requestId', 'term', 'attempt', 'kind', 'digest'] },
  ),
);

const load = { queueDepth: uint32, activeRequests: amount, cpuPercent: amount, memoryBytes: bytesCount };
const heartbeat: fc.Arbitrary<Heartbeat> = fc.record(
  {
    ...load,
    sequence: uint32,
    profileSequence: uint32,
    incarnation: uint32,
    mesh: name,
    name,
    version: fc.string({ maxLength: 64 }),
    state: fc.constantFrom('joining' as const, 'alive' as const, 'draining' as const),
    startedAtMs: bytesCount,
    macsPerSecond: amount,
    memoryBudgetBytes: bytesCount,
    apiAddress: fc.constant('http://192.168.1.7:8470'),
    models: fc.array(fc.record({ id: modelId, name, bytesHeld: bytesCount, bytesTotal: bytesCount }), { maxLength: 5 }),
  },
  {
    requiredKeys: [
      ...(Object.keys(load) as (keyof typeof load)[]),
      'sequence',
      'profileSequence',
      'incarnation',
      'mesh',
      'name',
      'version',
      'state',
      'startedAtMs',
      'macsPerSecond',
      'memoryBudgetBytes',
      'models',
    ],
  },
);
const run = { peer, startedAtMs: bytesCount };
const suspicion = { ...run, incarnation: uint32 };
const told: fc.Arbitrary<Told> = fc.oneof(
  fc.record({ kind: fc.constant('heartbeat' as const), peer, heartbeat }),
  fc.record({
    ...run,
    kind: fc.constant('load' as const),
    sequence: uint32,
    profileSequence: uint32,
    load: fc.record(load),
  }),
);
const healthMessage: fc.Arbitrary<HealthMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('beat' as const),
    isWatching: fc.boolean(),
    sentMs: amount,
    echo: fc.option(fc.record({ sentMs: amount, heldMs: amount })),
    told: fc.array(told, { maxLength: 3 }),
    suspicions: fc.array(fc.record(suspicion), { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('probe' as const), nonce: uint32, sentMs: amount }),
  fc.record({ ...suspicion, kind: fc.constant('ask' as const), nonce: uint32, isUrgent: fc.boolean() }),
  fc.record({ kind: fc.constant('ack' as const), nonce: uint32, about: fc.option(peer), sentMs: amount }),
  fc.record({
    kind: fc.constant('digest' as const),
    sentMs: amount,
    isReply: fc.boolean(),
    entries: fc.array(fc.record({ ...run, sequence: uint32 }), { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('goodbye' as const), reason: name }),
);

const blobRequest: fc.Arbitrary<BlobRequest> = fc.oneof(
  fc.record({ kind: fc.constantFrom('manifest' as const, 'graph' as const, 'have' as const), modelId }),
  fc.record({ kind: fc.constant('chunk' as const), modelId, index: uint32 }),
);
const blobResponse: fc.Arbitrary<BlobResponse> = fc.oneof(
  fc.record({ kind: fc.constant('part' as const), totalBytes: uint32, offset: uint32, bytes }),
  fc.constant({ kind: 'absent' as const }),
  fc.record({ kind: fc.constant('refused' as const), code, message: name }),
);

const isInvalid = (error: unknown): boolean => error instanceof MeshError && error.code === 'INVALID_MESSAGE';

function describeCodec<M>(title: string, codec: Codec<M>, message: fc.Arbitrary<M>): void {
  describe(title, () => {
    it('decodes what it encoded', () => {
      fc.assert(
        fc.property(message, (value) => {
          const decoded = codec.decode(codec.encode(value));
          // fast-check makes objects without a prototype; compare as plain data.
          assert.deepEqual(structuredClone(decoded), structuredClone(value));
        }),
      );
    });

    it('refuses arbitrary bytes with INVALID_MESSAGE or reads them as a message', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (frame) => {
          try {
            codec.decode(frame);
          } catch (error) {
            assert.ok(isInvalid(error), String(error));
          }
        }),
        { numRuns: 500 },
      );
    });

    it('refuses truncated and altered messages with INVALID_MESSAGE or reads them as others', () => {
      fc.assert(
        fc.property(message, fc.nat(), fc.nat(255), (value, position, byte) => {
          const frame = codec.encode(value).slice();
          const index = position % frame.byteLength;
          const altered = frame.slice();
          altered[index] = byte;
          for (const damaged of [frame.subarray(0, index), altered]) {
            try {
              codec.decode(damaged);
            } catch (error) {
              assert.ok(isInvalid(error), String(error));
            }
          }
        }),
      );
    });
  });
}

const REQUEST_ID = '00112233445566778899aabbccddeeff' as RequestId;
const MODEL_ID = 'ab'.repeat(32) as ModelId;

describe('protocols/messages', () => {
  describeCodec('election', electionCodec, electionMessage);
  describeCodec('answers', answerCodec, answerMessage);
  describeCodec('plan', planCodec, planMessage);
  describeCodec('health', healthCodec, healthMessage);
  describeCodec('blob requests', requestCodec, blobRequest);
  describeCodec('blob responses', responseCodec, blobResponse);

  it('fits what one beat tells into a frame, models with the longest names included, and always tells of somebody', () => {
    const model = { id: MODEL_ID, name: '\u4e00'.repeat(256), bytesHeld: 2 ** 52, bytesTotal: 2 ** 52 };
    const [base] = fc.sample(heartbeat, 1);
    for (const models of [0, 1, 20, 256]) {
      const named = {
        ...base!,
        name: model.name,
        mesh: model.name,
        models: new Array<typeof model>(models).fill(model),
      };
      const all = new Array<Told>(200).fill({ kind: 'heartbeat', peer: PEER, heartbeat: named });
      const told = fitting(all);
      assert.ok(told.length > 0);
      const beat = { kind: 'beat', isWatching: true, sentMs: 0, echo: null, told, suspicions: [] } as const;
      const frame = healthCodec.encode(beat);
      assert.ok(frame.byteLength <= MAX_FRAME_BYTES, `${models} models: ${frame.byteLength} bytes`);
      assert.equal((healthCodec.decode(frame) as typeof beat).told.length, told.length);
    }
  });

  it('refuses more fields than a message may have before building them', () => {
    const specs = new BinaryWriter();
    for (let count = 0; count < 5000; count++) specs.tag(3 + 1, WireType.LengthDelimited).bytes(new Uint8Array());
    const frame = new BinaryWriter().tag(3, WireType.LengthDelimited).bytes(specs.finish()).finish();
    assert.throws(() => electionCodec.decode(frame), /too many fields: at most 4096/);
  });

  it('refuses a packed list longer than a message may hold', () => {
    const spec = new BinaryWriter().tag(3, WireType.LengthDelimited).bytes(new Uint8Array(5000)).finish();
    const propose = new BinaryWriter().tag(4, WireType.LengthDelimited).bytes(spec).finish();
    const frame = new BinaryWriter().tag(3, WireType.LengthDelimited).bytes(propose).finish();
    assert.throws(() => electionCodec.decode(frame), /too many fields: at most 4096/);
  });

  it('refuses values out of bounds', () => {
    const addressed = { requestId: REQUEST_ID, term: 1, attempt: 1 };
    const cases: readonly (() => unknown)[] = [
      () => electionCodec.decode(electionCodec.encode({ ...addressed, term: 0, kind: 'cancel' })),
      () => electionCodec.decode(electionCodec.encode({ ...addressed, requestId: '00' as RequestId, kind: 'cancel' })),
      () => planCodec.decode(planCodec.encode({ ...addressed, attempt: 0, kind: 'ready' })),
      () =>
        planCodec.decode(
          planCodec.encode({
            ...addressed,
            kind: 'progress',
            tiles: new Array<TilePlace>(513).fill({ block: 0, part: 0 }),
          }),
        ),
      () => planCodec.decode(planCodec.encode({ ...addressed, kind: 'feed', digest: '00' as PlanDigest })),
      () =>
        planCodec.decode(planCodec.encode({ ...addressed, kind: 'refuse', code: 'OOPS' as ErrorCode, message: '' })),
      () =>
        planCodec.decode(
          planCodec.encode({
            ...addressed,
            kind: 'feed',
            digest: MODEL_ID as string as PlanDigest,
            plan: new Uint8Array(4 * 2 ** 20 + 1),
          }),
        ),
      () =>
        electionCodec.decode(
          electionCodec.encode({ ...addressed, kind: 'complete', report: new Uint8Array(2 ** 20 + 1) }),
        ),
      () =>
        electionCodec.decode(
          electionCodec.encode({
            ...addressed,
            kind: 'propose',
            modelId: MODEL_ID,
            parallelism: 0,
            deadlineMs: 1,
            inputs: [{ name: 'x', type: 'float32', shape: [1, 1, 1, 1, 1, 1, 1, 1, 1] }],
            avoid: [],
          }),
        ),
    ];
    for (const decode of cases) assert.throws(decode, isInvalid);
  });

  it('shortens explanations instead of losing the message', () => {
    const message: PlanMessage = {
      requestId: REQUEST_ID,
      term: 1,
      attempt: 1,
      kind: 'abort',
      reason: 'x'.repeat(5000),
    };
    const decoded = planCodec.decode(planCodec.encode(message));
    assert.equal(decoded.kind === 'abort' && decoded.reason.length, 1024);
  });
});
