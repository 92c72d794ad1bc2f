/**
 * What happened in a request, over all peers that had a part in it: their accounts, put on one clock. Times are milliseconds
 * since the request came in at its entry.
 */
import type { ModelId, PeerId, PlanDigest, RequestId } from '../ids.ts';
import {
  COMPUTE_COLUMNS,
  MOVE_COLUMNS,
  rowsOf,
  SENT,
  type Mark,
  type RequestAccount,
  type RequestFacts,
} from './account.ts';
import { uncertaintyAfter, type ClockOffset } from './clock-offset.ts';
import type { PlanOutline } from './outline.ts';

export const TRACE_SCHEMA = 'tilemesh.trace/1';

/** One tile, computed. */
export interface ComputeSpan {
  /** Index in `attempts`. */
  readonly attempt: number;
  readonly block: number;
  readonly part: number;
  readonly lane: number;
  /** When all its inputs were there. */
  readonly readyMs: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** One piece, sent or received. */
export interface MoveSpan {
  readonly attempt: number;
  /** `id` of a piece of the attempt's plan. */
  readonly piece: number;
  readonly bytes: number;
  /** Of what is sent: until it was handed to the network. Of what is received both are the moment when all was there. */
  readonly startMs: number;
  readonly endMs: number;
}

/** How a peer's clock stands to that of the peer that was asked. */
export interface ClockBound {
  /** What was added to the peer's own times to get those of the peer that was asked. */
  readonly offsetMs: number;
  /** Times of this peer are off by no more than this against those of the peer that was asked. */
  readonly uncertaintyMs: number;
  readonly roundTripMs: number;
}

/** What one peer did for a request. Milliseconds since it arrived. */
export interface PeerTrace {
  readonly peer: PeerId;
  readonly clock: ClockBound;
  readonly computed: readonly ComputeSpan[];
  readonly sent: readonly MoveSpan[];
  readonly received: readonly MoveSpan[];
  readonly marks: readonly Mark[];
  /** What was not kept. */
  readonly dropped: number;
}

/** One try of one coordinator. */
export interface AttemptTrace {
  readonly term: number;
  readonly attempt: number;
  /** Null where nobody is left that knows. */
  readonly coordinator: PeerId | null;
  readonly digest: PlanDigest | null;
  readonly outcome: 'answered' | 'running' | 'replaced';
  /** Why it was replaced, where somebody knows. */
  readonly reason: string;
  /** Null where nobody keeps it any more. */
  readonly plan: PlanOutline | null;
}

/** All that the mesh remembers of a request. */
export interface RequestTrace {
  readonly schema: typeof TRACE_SCHEMA;
  readonly requestId: RequestId;
  /** `unknown` where the entry is gone. */
  readonly state: 'running' | 'answered' | 'failed' | 'unknown';
  readonly model: string | null;
  readonly modelId: ModelId | null;
  readonly entry: PeerId | null;
  /** Unix time, of the entry. */
  readonly arrivedUnixMs: number | null;
  readonly elapsedMs: number;
  /** The peer that collected it; its clock counts. */
  readonly collectedBy: PeerId;
  /** What peers call themselves: text from the network, to be cleaned before it is shown. */
  readonly names: Readonly<Record<PeerId, string>>;
  /** In order. */
  readonly attempts: readonly AttemptTrace[];
  readonly peers: readonly PeerTrace[];
  /** Peers that could not be asked, and why. */
  readonly missing: readonly { readonly peer: PeerId; readonly reason: string }[];
}

/** What a peer answered, and how its clock stood to that of the peer that asked. */
export interface HeardAccount {
  readonly peer: PeerId;
  readonly account: RequestAccount;
  readonly clock: ClockOffset;
}

export interface TraceParts {
  readonly requestId: RequestId;
  readonly collectedBy: PeerId;
  /** Of the collector's clock. */
  readonly nowMs: number;
  readonly heard: readonly HeardAccount[];
  readonly plans: ReadonlyMap<PlanDigest, PlanOutline>;
  readonly nameOf: (peer: PeerId) => string;
  readonly missing: RequestTrace['missing'];
}

interface Known {
  readonly term: number;
  readonly attempt: number;
  coordinator: PeerId | null;
  digest: PlanDigest | null;
}

const keyOf = ({ term, attempt }: { readonly term: number; readonly attempt: number }): string => `${term}/${attempt}`;

/** Attempts that anybody knows of, in order. The digest of their plans is what the plans are asked by. */
export function attemptsIn(heard: readonly Pick<HeardAccount, 'peer' | 'account'>[]): readonly Readonly<Known>[] {
  const known = new Map<string, Known>();
  for (const { peer, account } of heard) {
    for (const mark of account.marks) {
      if (mark.what !== 'planned' && mark.what !== 'assigned') continue;
      const { term, attempt } = mark;
      const own = known.get(keyOf(mark)) ?? { term, attempt, coordinator: null, digest: null };
      own.coordinator ??= mark.what === 'planned' ? peer : (mark.peer ?? null);
      own.digest ??= mark.digest ?? null;
      known.set(keyOf(mark), own);
    }
  }
  return [...known.values()].sort((a, b) => a.term - b.term || a.attempt - b.attempt);
}

export function assembleTrace(parts: TraceParts): RequestTrace {
  const { requestId, collectedBy, nowMs, heard, plans, missing } = parts;
  const entry = heard.find(({ account }) => account.facts !== undefined);
  const facts: RequestFacts | undefined = entry?.account.facts;
  const onClock = ({ clock }: HeardAccount, atMs: number): number => atMs + clock.offsetMs;
  const moments = heard.flatMap((own) => own.account.marks.map((mark) => ({ ...mark, atMs: onClock(own, mark.atMs) })));
  const arrival = entry?.account.marks.find(({ what }) => what === 'arrived');
  const originMs =
    entry !== undefined && arrival !== undefined
      ? onClock(entry, arrival.atMs)
      : moments.reduce((least, { atMs }) => Math.min(least, atMs), nowMs);
  const end = entry?.account.marks.find(({ what }) => what === 'answered' || what === 'failed');
  const endMs = end !== undefined && entry !== undefined ? onClock(entry, end.atMs) : nowMs;
  const attempts = attemptsIn(heard).map(({ term, attempt, coordinator, digest }, index, all): AttemptTrace => {
    const isAnswered = end?.what === 'answered' && end.term === term && end.attempt === attempt;
    const replaced = moments.find((mark) => mark.what === 'planning again' && keyOf(mark) === keyOf({ term, attempt }));
    const isLast = index === all.length - 1;
    const isRunning = end === undefined && entry !== undefined && isLast && replaced === undefined;
    return {
      term,
      attempt,
      coordinator,
      digest,
      outcome: isAnswered ? 'answered' : isRunning ? 'running' : 'replaced',
      reason: isAnswered || isRunning ? '' : (replaced?.text ?? (isLast ? (end?.text ?? '') : '')),
      plan: withoutOwn(digest === null ? null : (plans.get(digest) ?? null), entry?.peer),
    };
  });
  const position = new Map(attempts.map((attempt, index) => [keyOf(attempt), index]));
  const peers = heard.map((own) => peerTrace(own, originMs, nowMs, (id) => position.get(keyOf(id))));
  const named = new Set([
    ...heard.map(({ peer }) => peer),
    ...missing.map(({ peer }) => peer),
    ...attempts.flatMap(({ plan, coordinator }) => [
      ...(plan?.participants ?? []),
      ...(coordinator ? [coordinator] : []),
    ]),
    ...moments.flatMap(({ peer }) => (peer === undefined ? [] : [peer])),
  ]);
  return {
    schema: TRACE_SCHEMA,
    requestId,
    state:
      entry === undefined ? 'unknown' : end === undefined ? 'running' : end.what === 'answered' ? 'answered' : 'failed',
    model: facts?.model ?? null,
    modelId: facts?.modelId ?? null,
    entry: entry?.peer ?? null,
    arrivedUnixMs: facts?.arrivedUnixMs ?? null,
    elapsedMs: rounded(Math.max(0, endMs - originMs)),
    collectedBy,
    names: Object.fromEntries([...named].map((peer) => [peer, parts.nameOf(peer)])),
    attempts,
    peers,
    missing,
  };
}

/** What the entry hands to itself is no transfer. */
function withoutOwn(plan: PlanOutline | null, entry: PeerId | undefined): PlanOutline | null {
  if (plan === null || entry === undefined) return plan;
  const own = plan.participants.indexOf(entry);
  const isOwn = (end: number): boolean => end === -1 || end === own;
  return { ...plan, pieces: plan.pieces.filter(({ from, to }) => !(isOwn(from) && isOwn(to))) };
}

/** Microseconds. */
const rounded = (ms: number): number => Math.round(ms * 1e3) / 1e3;

function peerTrace(
  { peer, account, clock }: HeardAccount,
  originMs: number,
  nowMs: number,
  attemptOf: (id: { readonly term: number; readonly attempt: number }) => number | undefined,
): PeerTrace {
  const at = (ownMs: number): number => rounded(ownMs + clock.offsetMs - originMs);
  const computed = [...rowsOf(account.computed, COMPUTE_COLUMNS)].flatMap((row): ComputeSpan[] => {
    const [term = 0, number = 0, block = 0, part = 0, lane = 0, readyMs = 0, startMs = 0, endMs = 0] = row;
    const attempt = attemptOf({ term, attempt: number });
    if (attempt === undefined) return [];
    return [{ attempt, block, part, lane, readyMs: at(readyMs), startMs: at(startMs), endMs: at(endMs) }];
  });
  const moved = [...rowsOf(account.moved, MOVE_COLUMNS)].flatMap((row) => {
    const [way = 0, term = 0, number = 0, piece = 0, bytes = 0, startMs = 0, endMs = 0] = row;
    const attempt = attemptOf({ term, attempt: number });
    if (attempt === undefined) return [];
    return [{ way, span: { attempt, piece, bytes, startMs: at(startMs), endMs: at(endMs) } }];
  });
  return {
    peer,
    clock: {
      offsetMs: rounded(clock.offsetMs),
      uncertaintyMs: rounded(clock.roundTripMs === 0 ? 0 : uncertaintyAfter(clock, nowMs - originMs)),
      roundTripMs: rounded(clock.roundTripMs),
    },
    computed,
    sent: moved.filter(({ way }) => way === SENT).map(({ span }) => span),
    received: moved.filter(({ way }) => way !== SENT).map(({ span }) => span),
    marks: account.marks.map((mark) => ({ ...mark, atMs: at(mark.atMs) })),
    dropped: account.dropped,
  };
}
