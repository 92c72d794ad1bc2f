/** Documents that peers answer questions with: JSON, checked before anything is made of it. */
import * as v from 'valibot';
import type { PeerCard } from '../core/card.ts';
import { MeshError } from '../core/errors.ts';
import { isModelId, isPlanDigest, isRequestId } from '../core/ids.ts';
import { MARKS, type RequestAccount } from '../core/trace/account.ts';
import type { PlanOutline } from '../core/trace/outline.ts';
import type { RequestSummary } from '../core/trace/summary.ts';

const MAX_ROW_NUMBERS = 4096 * 8;
const MAX_LIST = 65_536;
const MAX_RANK = 16;

const text = (most: number) => v.pipe(v.string(), v.maxLength(most));
const number = v.pipe(v.number(), v.finite());
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const list = <const Schema extends v.GenericSchema>(item: Schema, most = MAX_LIST) =>
  v.pipe(v.array(item), v.maxLength(most));
const peer = v.pipe(v.string(), v.regex(/^[0-9A-Za-z]{1,128}$/));
const rows = list(number, MAX_ROW_NUMBERS);

const ACCOUNT = v.object({
  requestId: v.pipe(v.string(), v.check(isRequestId)),
  facts: v.optional(
    v.object({ model: text(256), modelId: v.pipe(v.string(), v.check(isModelId)), arrivedUnixMs: number }),
  ),
  marks: list(
    v.object({
      atMs: number,
      what: v.picklist(MARKS),
      term: count,
      attempt: count,
      peer: v.optional(peer),
      digest: v.optional(v.pipe(v.string(), v.check(isPlanDigest))),
      text: v.optional(text(2048)),
    }),
    1024,
  ),
  computed: rows,
  moved: rows,
  dropped: count,
});

const box = v.nullable(list(v.tuple([number, number]), MAX_RANK));
const boxes = v.record(text(512), box);
const names = list(text(512), 4096);

const OUTLINE = v.object({
  participants: list(peer, 4096),
  arithmetic: text(32),
  predictedMs: number,
  singleMs: number,
  inputs: names,
  outputs: names,
  tensors: v.record(text(512), v.object({ type: text(32), shape: v.nullable(list(number, MAX_RANK)) })),
  blocks: list(
    v.object({
      nodes: names,
      nodeCount: count,
      cut: text(128),
      axes: list(count, MAX_RANK),
      counts: list(count, MAX_RANK),
      tiles: list(v.object({ participant: count, outputs: boxes, inputs: boxes, predictedMs: number })),
    }),
  ),
  pieces: list(
    v.object({
      id: count,
      tensor: text(512),
      region: box,
      from: number,
      to: number,
      reader: v.nullable(v.tuple([count, count])),
      bytes: number,
    }),
  ),
});

const SUMMARIES = list(
  v.object({
    requestId: v.pipe(v.string(), v.check(isRequestId)),
    model: text(256),
    entry: peer,
    state: v.picklist(['running', 'answered', 'failed']),
    reason: text(2048),
    coordinator: v.nullable(peer),
    term: count,
    arrivedUnixMs: number,
    elapsedMs: number,
  }),
  256,
);

const reading = v.nullable(number);

const CARD = v.object({
  peer,
  name: text(256),
  mesh: text(256),
  version: text(64),
  runtime: text(64),
  platform: text(64),
  kernel: text(64),
  unixMs: number,
  uptimeMs: number,
  machine: v.object({
    temperatureC: reading,
    isThrottled: v.nullable(v.boolean()),
    governors: list(text(64), 64),
    cores: count,
    load: reading,
    memoryBytes: reading,
    availableBytes: reading,
    swapUsedBytes: reading,
    diskBytes: reading,
    diskFreeBytes: reading,
  }),
  descriptors: v.optional(v.object({ used: count, limit: count })),
  tiles: count,
  tilesPerSecond: number,
  errors: count,
  addresses: list(text(256), 64),
  reaches: list(
    v.object({
      peer,
      name: text(256),
      state: text(32),
      isConnected: v.boolean(),
      roundTrip: v.nullable(v.object({ p50Ms: number, p99Ms: number, loss: number, samples: count })),
      sentBytes: v.optional(count, 0),
    }),
    1024,
  ),
});

export const encodeDocument = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** What was sent, if its texts and numbers fit; texts may hold any characters. @throws MeshError INVALID_MESSAGE. */
function read(schema: v.GenericSchema, what: string, bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new MeshError('INVALID_MESSAGE', `${what} is not JSON`, { cause });
  }
  const { success, output, issues } = v.safeParse(schema, value);
  if (success) return output;
  throw new MeshError('INVALID_MESSAGE', `${what} cannot be read at ${v.getDotPath(issues[0]) ?? 'its top'}`);
}

export const readAccount = (bytes: Uint8Array): RequestAccount =>
  read(ACCOUNT, 'the account of a request', bytes) as RequestAccount;
export const readOutline = (bytes: Uint8Array): PlanOutline =>
  read(OUTLINE, 'the outline of a plan', bytes) as PlanOutline;
export const readSummaries = (bytes: Uint8Array): readonly RequestSummary[] =>
  read(SUMMARIES, 'a list of requests', bytes) as readonly RequestSummary[];
export const readCard = (bytes: Uint8Array): PeerCard => read(CARD, 'the card of a peer', bytes) as PeerCard;
