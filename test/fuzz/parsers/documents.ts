/** Documents that peers send each other inside of messages: plans, accounts, answers, what they say of themselves. */
import { decodePlan, encodePlan } from '../../../src/core/plan/encode.ts';
import { PLAN_SCHEMA } from '../../../src/core/plan/plan.ts';
import { decodeParcel, encodeParcel } from '../../../src/mesh/answer-parcel.ts';
import { readAccount, readCard, readOutline, readSummaries } from '../../../src/mesh/inspection-documents.ts';
import { encodeAccount, encodeTileReports, parseAccount, parseTileReports } from '../../../src/mesh/run-report.ts';
import { report } from '../../support/fake-peer.ts';
import { HEARD, OUTLINE, sampleTrace } from '../../support/sample-trace.ts';
import type { Parser } from '../engine/parser.ts';
import { JSON_WORDS, json, MODEL_ID, OTHER_PEER, PEER, REQUEST_ID } from './samples.ts';

const document = (name: string, parse: (bytes: Uint8Array) => unknown, ...seeds: readonly unknown[]): Parser => ({
  name,
  seeds: () => seeds.map((seed) => (seed instanceof Uint8Array ? seed : json(seed))),
  parse,
  refusals: ['INVALID_MESSAGE'],
  words: JSON_WORDS,
});

const region = [0, 1, 2, 3].map((axis) => ({ start: axis, end: 8 }));
const plan = encodePlan({
  schema: PLAN_SCHEMA,
  modelId: MODEL_ID,
  inputs: { x: { type: 'float32', shape: [1, 3, 8, 8] } },
  arithmetic: 'exact',
  participants: [PEER, OTHER_PEER],
  blocks: [
    {
      first: 0,
      last: 3,
      cut: { axes: [2], counts: [2] },
      parts: [0, 1].map((participant) => ({ participant, outputs: { y: region, z: null }, predictedMs: 2 })),
    },
  ],
  predictedMs: 5,
  singleMs: 9,
});

const tiles = [0, 1].map((part) => ({
  block: 0,
  part,
  computeMs: 1.5,
  haloBytes: 3,
  bytesToPeers: 4,
  bytesToEntry: 5,
}));
const account = { attempts: 1, lostPeers: [OTHER_PEER], tiles };

const parcel = encodeParcel({
  requestId: REQUEST_ID,
  outputs: new Map([['y', { type: 'float32', shape: [1, 10], bytes: new Uint8Array(40) }]]),
  report: report(),
});

const summary = {
  requestId: REQUEST_ID,
  model: 'edges',
  entry: PEER,
  state: 'answered',
  reason: '',
  coordinator: PEER,
  term: 1,
  arrivedUnixMs: 1.7e12,
  elapsedMs: 12,
};

const card = {
  peer: PEER,
  name: 'kitchen',
  mesh: 'home',
  version: '0.1.0',
  runtime: 'v24',
  platform: 'linux arm64',
  kernel: 'onnxruntime',
  unixMs: 1.7e12,
  uptimeMs: 5,
  machine: {
    temperatureC: 50,
    isThrottled: false,
    governors: ['performance'],
    cores: 6,
    load: 1,
    memoryBytes: 4e9,
    availableBytes: 2e9,
    swapUsedBytes: 0,
    diskBytes: 1e10,
    diskFreeBytes: null,
  },
  tiles: 3,
  tilesPerSecond: 0.1,
  errors: 0,
  addresses: ['/ip4/10.0.0.1/tcp/4001'],
  reaches: [
    {
      peer: OTHER_PEER,
      name: 'hall',
      state: 'alive',
      isConnected: true,
      roundTrip: { p50Ms: 1, p99Ms: 2, loss: 0, samples: 9 },
      sentBytes: 5,
    },
  ],
};

export const DOCUMENTS: readonly Parser[] = [
  document('plan-document', decodePlan, plan),
  document('tile-reports', (bytes) => parseTileReports(bytes), encodeTileReports(tiles)),
  // What is no account counts as none.
  document('run-account', (bytes) => parseAccount(bytes) ?? null, encodeAccount(account)),
  document('answer-parcel', (bytes) => decodeParcel(REQUEST_ID, bytes), parcel),
  document(
    'trace-account',
    // What one peer says is put together with what others have said.
    (bytes) => sampleTrace([HEARD[0]!, { ...HEARD[1]!, account: readAccount(bytes) }]),
    ...HEARD.map((heard) => heard.account),
  ),
  document('plan-outline', readOutline, OUTLINE),
  document('request-summaries', readSummaries, [summary]),
  document('peer-card', readCard, card),
];
