/**
 * Damaged and random frames to every parser of what peers send: refused as INVALID_MESSAGE or understood, nothing else. What
 * the parsers hold and what their results take is bounded by what came in. The number of frames for each is set by
 * TILEMESH_FUZZ_RUNS, their seed by TILEMESH_FUZZ_SEED.
 */
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { answerCodec } from '../../../protocols/answers/messages.ts';
import { requestCodec, responseCodec } from '../../../protocols/blobs/messages.ts';
import { electionCodec } from '../../../protocols/election/messages.ts';
import { healthCodec } from '../../../protocols/health/messages.ts';
import { FrameReader, writeHeader } from '../../../protocols/lane/frames.ts';
import { answerCodec as laneAnswerCodec, offerCodec } from '../../../protocols/lane/messages.ts';
import { decodeCredit, encodeCredit, encodePiece } from '../../../protocols/pieces/frame.ts';
import { Reassembly } from '../../../protocols/pieces/reassembly.ts';
import { planCodec } from '../../../protocols/plan/messages.ts';
import { wholeFrames } from '../../../protocols/sink.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { asPeerId, type ModelId, type PlanDigest, type RequestId } from '../../../src/core/ids.ts';
import { decodeParcel, encodeParcel } from '../../../src/mesh/answer-parcel.ts';
import { randomOf, type Random } from '../../property/random.ts';
import { report } from '../../support/fake-peer.ts';
import { Progress } from '../../support/progress.ts';
import { mutated } from '../onnx-fuzz/mutations.ts';

const RUNS = Number(process.env.TILEMESH_FUZZ_RUNS ?? 50_000);
const SEED = Number(process.env.TILEMESH_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Results that are kept at a time to see what memory they take. */
const KEPT = 500;
/** What a result may take for each byte of its frame, and what the smallest one takes. */
const BYTES_PER_BYTE = 4;
const OBJECT_BYTES = 1024;
/** Growth that is no leak: compiled code, caches. */
const SLACK_BYTES = 32 * 2 ** 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const REQUEST_ID = '00112233445566778899aabbccddeeff' as RequestId;
const DIGEST = 'ab'.repeat(32) as PlanDigest;
const MODEL_ID = DIGEST as string as ModelId;
const attempt = { requestId: REQUEST_ID, term: 3, attempt: 2 };
const region = [
  { start: 0, end: 1 },
  { start: 3, end: 67 },
];
const PIECE = {
  ...attempt,
  block: 1,
  part: 2,
  tensor: 'conv1',
  type: 'float32' as const,
  region,
  bytes: new Uint8Array(256).fill(7),
};
const parcel = {
  requestId: REQUEST_ID,
  outputs: new Map([['y', { type: 'float32' as const, shape: [1, 10], bytes: new Uint8Array(40) }]]),
  report: report(),
};

interface Parser {
  readonly name: string;
  readonly frames: readonly Uint8Array[];
  /** What it makes of a frame; may throw INVALID_MESSAGE. */
  readonly parse: (frame: Uint8Array) => unknown;
}

const PEER = asPeerId('12D3KooWEZ5KKuJ2DmUNnBnzhJ7pRUyCCwEs7WmGyGYXoCVn3bXm');
const heartbeat = {
  sequence: 7,
  profileSequence: 5,
  incarnation: 1,
  mesh: 'home',
  name: 'kitchen',
  version: '0.1.0',
  state: 'alive' as const,
  startedAtMs: 1.7e12,
  macsPerSecond: 5e9,
  memoryBudgetBytes: 1e9,
  queueDepth: 1,
  activeRequests: 2,
  apiAddress: 'http://192.168.1.7:8470',
  models: [1, 2, 3].map((bytesHeld) => ({ id: MODEL_ID, name: `model ${bytesHeld}`, bytesHeld, bytesTotal: 10 })),
  cpuPercent: 12,
  memoryBytes: 2e8,
};

/** A parser of a stream: pieces of any size, then whatever is left over is forgotten with the stream. */
function reassemble(frame: Uint8Array): unknown {
  const pieces: unknown[] = [];
  const budget = { free: 4 * 2 ** 20 };
  const events = {
    // As at a peer: memory is set aside for what is wanted, and that is small here.
    admit: ({ byteLength }: { readonly byteLength: number }) => byteLength <= 1024,
    onPiece: (piece: unknown) => pieces.push(piece),
    onConsumed: () => undefined,
  };
  const sink = new Reassembly(events, budget);
  sink.begin(frame.byteLength);
  for (let at = 0; at < frame.byteLength; at += 50) sink.push(frame.subarray(at, at + 50));
  sink.end();
  return pieces;
}

function readLane(bytes: Uint8Array): unknown {
  const frames: Uint8Array[] = [];
  const reader = new FrameReader((protocol, byteLength) => {
    if (protocol > 3 || byteLength > 4096) throw new MeshError('INVALID_MESSAGE', 'no such protocol, or too large');
    return wholeFrames((frame) => frames.push(frame));
  });
  for (let at = 0; at < bytes.byteLength; at += 37) reader.push(bytes.subarray(at, at + 37));
  return frames;
}

function laneBytes(): Uint8Array {
  const frame = Buffer.alloc(8 + 100);
  writeHeader(frame, 2, 100);
  return Buffer.concat([frame, frame, frame]);
}

const PARSERS: readonly Parser[] = [
  {
    name: 'answers',
    frames: [
      { kind: 'claim', requestId: REQUEST_ID, question: DIGEST, insteadOf: asPeerId('12D3Koo'), granted: 2 } as const,
      { kind: 'verdict', requestId: REQUEST_ID, owner: asPeerId('12D3Koo'), generation: 2 } as const,
      { kind: 'part', requestId: REQUEST_ID, total: 500, offset: 100, bytes: new Uint8Array(300) } as const,
    ].map((message) => answerCodec.encode(message)),
    parse: (frame) => answerCodec.decode(frame),
  },
  {
    name: 'answers in parcels',
    frames: [encodeParcel(parcel)],
    parse: (frame) => decodeParcel(REQUEST_ID, frame),
  },
  {
    name: 'blobs, requests',
    frames: [
      { kind: 'chunk', modelId: MODEL_ID, index: 77 } as const,
      { kind: 'manifest', modelId: MODEL_ID } as const,
    ].map((message) => requestCodec.encode(message)),
    parse: (frame) => requestCodec.decode(frame),
  },
  {
    name: 'blobs, responses',
    frames: [
      { kind: 'part', totalBytes: 300, offset: 0, bytes: new Uint8Array(200) } as const,
      { kind: 'refused', code: 'OVERLOADED', message: 'later' } as const,
    ].map((message) => responseCodec.encode(message)),
    parse: (frame) => responseCodec.decode(frame),
  },
  {
    name: 'election',
    frames: [
      {
        kind: 'propose',
        requestId: REQUEST_ID,
        term: 1,
        modelId: MODEL_ID,
        parallelism: 4,
        deadlineMs: 1000,
        inputs: [1, 2, 3].map((n) => ({ name: `input ${n}`, type: 'float32' as const, shape: [1, 3, 224, 224] })),
        avoid: [],
      } as const,
      { kind: 'complete', requestId: REQUEST_ID, term: 1, report: new Uint8Array(400) } as const,
      { kind: 'fail', requestId: REQUEST_ID, term: 1, code: 'PEER_LOST', message: 'gone' } as const,
    ].map((message) => electionCodec.encode(message)),
    parse: (frame) => electionCodec.decode(frame),
  },
  {
    name: 'health',
    frames: [
      {
        kind: 'beat',
        isWatching: true,
        sentMs: 12,
        echo: { sentMs: 5, heldMs: 2 },
        told: [{ peer: PEER, kind: 'heartbeat', heartbeat }],
        suspicions: [{ peer: PEER, startedAtMs: 1.7e12, incarnation: 2 }],
      } as const,
      { kind: 'probe', nonce: 3, sentMs: 4 } as const,
      { kind: 'ask', nonce: 3, peer: PEER, startedAtMs: 1.7e12, incarnation: 2 } as const,
      { kind: 'ack', nonce: 3, about: PEER, sentMs: 4 } as const,
      {
        kind: 'digest',
        sentMs: 4,
        isReply: false,
        entries: [{ peer: PEER, startedAtMs: 1.7e12, sequence: 9 }],
      } as const,
      { kind: 'goodbye', reason: 'stopped' } as const,
    ].map((message) => healthCodec.encode(message)),
    parse: (frame) => healthCodec.decode(frame),
  },
  {
    name: 'lane, offers',
    frames: [
      offerCodec.encode({
        keyId: new Uint8Array(16),
        key: new Uint8Array(32),
        validMs: 10_000,
        listeners: [{ host: '0.0.0.0', port: 1234 }],
        protocols: ['/tilemesh/pieces/1.0.0', '/tilemesh/plan/1.0.0'],
      }),
    ],
    parse: (frame) => offerCodec.decode(frame),
  },
  {
    name: 'lane, answers',
    frames: [laneAnswerCodec.encode({ kind: 'accept', protocols: ['/tilemesh/pieces/1.0.0'] })],
    parse: (frame) => laneAnswerCodec.decode(frame),
  },
  { name: 'lane, frames', frames: [laneBytes()], parse: readLane },
  {
    name: 'pieces, chunks',
    frames: [...encodePiece(PIECE)].map((frame) => frame.subarray()),
    parse: reassemble,
  },
  { name: 'pieces, credit', frames: [encodeCredit(4096)], parse: (frame) => decodeCredit(frame) },
  {
    name: 'plan',
    frames: [
      {
        kind: 'assign',
        ...attempt,
        modelId: MODEL_ID,
        digest: DIGEST,
        plan: new Uint8Array(500),
        entry: asPeerId('12D3Koo'),
        isAwaited: true,
        deadlineMs: 1000,
      } as const,
      {
        kind: 'progress',
        ...attempt,
        tiles: Array.from({ length: 40 }, (_, part) => ({ block: 1, part })),
      } as const,
      { kind: 'failed', ...attempt, code: 'PEER_LOST', message: 'gone' } as const,
    ].map((message) => planCodec.encode(message)),
    parse: (frame) => planCodec.decode(frame),
  },
];

/** Mostly a damaged frame, sometimes noise. */
const draw = (frames: readonly Uint8Array[], random: Random): Uint8Array =>
  random.chance(0.1)
    ? Uint8Array.from({ length: random.integer(0, 200) }, () => random.integer(0, 255))
    : mutated(random.pick(frames), random);

const memoryBytes = (): number => {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

describe('frames that are damaged on purpose', function () {
  this.timeout(120_000 + RUNS * 20);

  for (const { name, frames, parse } of PARSERS) {
    it(`${name}: refused or understood, ${RUNS} frames of seed ${SEED}`, () => {
      const progress = new Progress(RUNS);
      const counts = { refused: 0, understood: 0 };
      const attemptOne = (run: number): readonly [unknown, Uint8Array] => {
        const random = randomOf(SEED + run);
        const frame = draw(frames, random);
        try {
          const result = parse(frame);
          counts.understood += 1;
          return [result, frame];
        } catch (error) {
          const replay = `frame ${run} of seed ${SEED}`;
          assert.ok(error instanceof MeshError, `${replay}: ${(error as Error).stack ?? String(error)}`);
          assert.equal(error.code, 'INVALID_MESSAGE', `${replay}: ${error.message}`);
          counts.refused += 1;
          return [undefined, frame];
        }
      };
      for (let run = 0; run < Math.min(RUNS, 2_000); run++) attemptOne(run);
      const before = memoryBytes();
      let kept: (readonly [unknown, Uint8Array])[] = [];
      for (let run = 0; run < RUNS; run++) {
        const outcome = attemptOne(run);
        if (run < KEPT) kept.push(outcome);
        if (run === KEPT) {
          const receivedBytes = kept.reduce((sum, [, frame]) => sum + frame.byteLength, 0);
          // The frames themselves are in memory, too.
          const taken = memoryBytes() - before - receivedBytes;
          const allowed = BYTES_PER_BYTE * receivedBytes + KEPT * OBJECT_BYTES;
          assert.ok(taken <= allowed, `${taken} bytes for ${receivedBytes} that came in`);
          kept = [];
        }
        progress.step();
      }
      progress.end();
      const growth = memoryBytes() - before;
      assert.ok(growth < SLACK_BYTES, `${growth} bytes were not given back`);
      assert.ok(counts.refused > RUNS / 50 && counts.understood > 0, JSON.stringify(counts));
    });
  }
});
