/** Messages of the protocols between peers, one frame each. */
import { answerCodec } from '../../../protocols/answers/messages.ts';
import { requestCodec, responseCodec } from '../../../protocols/blobs/messages.ts';
import type { Codec } from '../../../protocols/codec.ts';
import { electionCodec } from '../../../protocols/election/messages.ts';
import { healthCodec } from '../../../protocols/health/messages.ts';
import { answerCodec as inspectAnswers, questionCodec } from '../../../protocols/inspect/messages.ts';
import { answerCodec as laneAnswers, offerCodec } from '../../../protocols/lane/messages.ts';
import { planCodec } from '../../../protocols/plan/messages.ts';
import { trustCodec } from '../../../protocols/trust/messages.ts';
import type { Parser } from '../engine/parser.ts';
import { ATTEMPT, DIGEST, MODEL_ID, OTHER_PEER, PEER, REQUEST_ID } from './samples.ts';

const frames = <M>(name: string, codec: Codec<M>, messages: readonly M[]): Parser => ({
  name,
  seeds: () => messages.map((message) => codec.encode(message)),
  parse: (bytes) => codec.decode(bytes),
  refusals: ['INVALID_MESSAGE'],
});

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
const failure = { code: 'PEER_LOST', message: 'gone' } as const;

export const FRAMES: readonly Parser[] = [
  frames('answers', answerCodec, [
    { kind: 'claim', requestId: REQUEST_ID, question: DIGEST, insteadOf: PEER, granted: 2 },
    { kind: 'verdict', requestId: REQUEST_ID, owner: PEER, generation: 2 },
    { kind: 'part', requestId: REQUEST_ID, total: 500, offset: 100, bytes: new Uint8Array(300) },
  ]),
  frames('blobs-requests', requestCodec, [
    { kind: 'chunk', modelId: MODEL_ID, index: 77 },
    { kind: 'manifest', modelId: MODEL_ID },
  ]),
  frames('blobs-responses', responseCodec, [
    { kind: 'part', totalBytes: 300, offset: 0, bytes: new Uint8Array(200) },
    { kind: 'refused', code: 'OVERLOADED', message: 'later' },
  ]),
  frames('election', electionCodec, [
    {
      kind: 'propose',
      requestId: REQUEST_ID,
      term: 1,
      modelId: MODEL_ID,
      parallelism: 4,
      deadlineMs: 1000,
      inputs: [1, 2].map((n) => ({ name: `input ${n}`, type: 'float32' as const, shape: [1, 3, 224, 224] })),
      avoid: [OTHER_PEER],
    },
    { kind: 'accept', requestId: REQUEST_ID, term: 1, leaseMs: 1500 },
    { kind: 'renew', requestId: REQUEST_ID, term: 1, stage: 'computing', completed: 1, total: 2 },
    { kind: 'complete', requestId: REQUEST_ID, term: 1, report: new Uint8Array(40) },
    { kind: 'fail', requestId: REQUEST_ID, term: 1, ...failure },
  ]),
  frames('health', healthCodec, [
    {
      kind: 'beat',
      isWatching: true,
      sentMs: 12,
      echo: { sentMs: 5, heldMs: 2 },
      told: [{ peer: PEER, kind: 'heartbeat', heartbeat }],
      suspicions: [{ peer: PEER, startedAtMs: 1.7e12, incarnation: 2 }],
    },
    { kind: 'probe', nonce: 3, sentMs: 4 },
    { kind: 'ask', nonce: 3, isUrgent: true, peer: PEER, startedAtMs: 1.7e12, incarnation: 2 },
    { kind: 'ack', nonce: 3, about: PEER, sentMs: 4 },
    { kind: 'digest', sentMs: 4, isReply: false, entries: [{ peer: PEER, startedAtMs: 1.7e12, sequence: 9 }] },
    { kind: 'goodbye', reason: 'stopped' },
  ]),
  frames('inspect-questions', questionCodec, [
    { kind: 'clock' },
    { kind: 'account', requestId: REQUEST_ID },
    { kind: 'plan', digest: DIGEST },
  ]),
  frames('inspect-answers', inspectAnswers, [
    { kind: 'clock', clockMs: 12.5 },
    { kind: 'document', bytes: new Uint8Array(100) },
    { kind: 'absent' },
    { kind: 'refused', ...failure },
  ]),
  frames('lane-offers', offerCodec, [
    {
      keyId: new Uint8Array(16),
      key: new Uint8Array(32),
      validMs: 10_000,
      listeners: [{ host: '0.0.0.0', port: 1234 }],
      protocols: ['/tilemesh/pieces/1.0.0', '/tilemesh/plan/1.0.0'],
    },
  ]),
  frames('lane-answers', laneAnswers, [{ kind: 'accept', protocols: ['/tilemesh/pieces/1.0.0'] }]),
  frames('plan', planCodec, [
    {
      kind: 'assign',
      ...ATTEMPT,
      modelId: MODEL_ID,
      digest: DIGEST,
      plan: new Uint8Array(50),
      entry: PEER,
      isAwaited: true,
      deadlineMs: 1000,
    },
    { kind: 'progress', ...ATTEMPT, tiles: Array.from({ length: 40 }, (_, part) => ({ block: 1, part })) },
    { kind: 'ready', ...ATTEMPT },
    { kind: 'failed', ...ATTEMPT, ...failure, lostPeer: OTHER_PEER },
  ]),
  frames('trust', trustCodec, [{ document: '{"serial":1}', signature: 'ab'.repeat(64) }]),
];
