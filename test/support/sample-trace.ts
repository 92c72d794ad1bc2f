/** A small request over two peers, of which the first plan was replaced, as its peers would tell it. */
import { asPeerId, type ModelId, type PlanDigest, type RequestId } from '../../src/core/ids.ts';
import type { RequestAccount } from '../../src/core/trace/account.ts';
import type { PlanOutline } from '../../src/core/trace/outline.ts';
import { assembleTrace, type HeardAccount, type RequestTrace } from '../../src/core/trace/trace.ts';

export const ENTRY = asPeerId('12D3KooWEntry');
export const WORKER = asPeerId('12D3KooWWorker');
export const GONE = asPeerId('12D3KooWGone');
export const REQUEST = '4f'.repeat(16) as RequestId;
export const [FIRST, SECOND] = ['11'.repeat(32), '22'.repeat(32)] as [PlanDigest, PlanDigest];

export const OUTLINE: PlanOutline = {
  participants: [ENTRY, WORKER],
  arithmetic: 'exact',
  predictedMs: 5,
  singleMs: 9,
  inputs: ['x'],
  outputs: ['y'],
  tensors: { x: { type: 'float32', shape: [1, 3, 8, 8] }, y: { type: 'float32', shape: [1, 4, 8, 8] } },
  blocks: [
    {
      nodes: ['conv', 'relu'],
      nodeCount: 2,
      cut: '2 stripes of rows',
      axes: [2],
      counts: [2],
      tiles: [0, 1].map((participant) => ({
        participant,
        outputs: { y: [[0, 1], [0, 4], [participant * 4, participant * 4 + 4], [0, 8]] }, // prettier-ignore
        inputs: { x: [[0, 1], [0, 3], [participant * 3, participant * 3 + 5], [0, 8]] }, // prettier-ignore
        predictedMs: 4,
      })),
    },
  ],
  pieces: [
    { id: 0, tensor: 'x', region: null, from: -1, to: 0, reader: [0, 0], bytes: 480 },
    { id: 1, tensor: 'x', region: [[0, 1], [0, 3], [3, 8], [0, 8]], from: -1, to: 1, reader: [0, 1], bytes: 480 }, // prettier-ignore
    { id: 3, tensor: 'y', region: [[0, 1], [0, 4], [4, 8], [0, 8]], from: 1, to: -1, reader: null, bytes: 512 }, // prettier-ignore
  ],
};

const ENTRY_ACCOUNT: RequestAccount = {
  requestId: REQUEST,
  facts: { model: 'ed\x1b[31mges', modelId: 'ab'.repeat(32) as ModelId, arrivedUnixMs: 1.7e12 },
  marks: [
    { atMs: 100, what: 'arrived', term: 0, attempt: 0 },
    { atMs: 101, what: 'accepted', term: 1, attempt: 0, peer: ENTRY },
    { atMs: 102, what: 'planned', term: 1, attempt: 1, digest: FIRST },
    { atMs: 105, what: 'planning again', term: 1, attempt: 1, text: 'gone was lost' },
    { atMs: 106, what: 'planned', term: 1, attempt: 2, digest: SECOND },
    { atMs: 130, what: 'answered', term: 1, attempt: 2, peer: ENTRY },
  ],
  computed: [1, 2, 0, 0, 0, 107, 108, 112],
  moved: [0, 1, 2, 1, 480, 107, 108, 1, 1, 2, 3, 512, 129, 129],
  dropped: 0,
};

/** Its clock shows 1000 ms more. */
const WORKER_ACCOUNT: RequestAccount = {
  requestId: REQUEST,
  marks: [{ atMs: 1107, what: 'assigned', term: 1, attempt: 2, peer: ENTRY, digest: SECOND }],
  computed: [1, 2, 0, 1, 1, 1110, 1110, 1124],
  moved: [1, 1, 2, 1, 480, 1110, 1110, 0, 1, 2, 3, 512, 1124, 1126],
  dropped: 0,
};

export const HEARD: readonly HeardAccount[] = [
  { peer: ENTRY, account: ENTRY_ACCOUNT, clock: { offsetMs: 0, uncertaintyMs: 0, roundTripMs: 0 } },
  { peer: WORKER, account: WORKER_ACCOUNT, clock: { offsetMs: -1000, uncertaintyMs: 0.2, roundTripMs: 0.4 } },
];

export const sampleTrace = (heard: readonly HeardAccount[] = HEARD): RequestTrace =>
  assembleTrace({
    requestId: REQUEST,
    collectedBy: ENTRY,
    nowMs: 1100,
    heard,
    plans: new Map([[SECOND, OUTLINE]]),
    nameOf: (peer) => ({ [ENTRY]: 'kitchen', [WORKER]: 'sh\x1b[2Jelf' })[peer] ?? '',
    missing: [{ peer: GONE, reason: 'it did not answer' }],
  });
