/**
 * The entry's side of one request, as a pure step function. The entry proposes to one candidate at a time, each time under
 * a higher term; the one that accepts coordinates while it renews its lease. A lease that lapses, a lost connection, a
 * refusal or a failure that another peer may not have leads to the next candidate. So at most one term is live, and the
 * request ends at its deadline at the latest.
 */
import { ERROR_CODES, type ErrorCode } from '../errors.ts';
import type { PeerId, RequestId } from '../ids.ts';
import { RENEW_MS } from './lease.ts';

export interface EntrySettings {
  /** A candidate that has not answered a proposal by then is passed over. */
  readonly proposalTimeoutMs: number;
  /**
   * Or by then, beyond what an answer usually takes, where there are others to ask; twice as long after each that was, lest a
   * busy mesh is asked for the same work again and again.
   */
  readonly unansweredMs: number;
  /** One that has not answered by then is doubted: others are asked whether it lives. */
  readonly proposalDoubtMs: number;
  /** A coordinator that has not renewed its lease for so long is doubted. */
  readonly leaseDoubtMs: number;
  /** Between one doubt and the next. */
  readonly doubtAgainMs: number;
  /** Pause before those that refused are asked again; doubles each round. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Longest that a coordinator may be silent, whatever lease it asks for. */
  readonly maxLeaseMs: number;
  /** How much of the time that is left one coordinator may use, however often it renews, where there are others to ask. */
  readonly termShare: number;
  /** After so many failures reported by coordinators the request fails with the last of them. */
  readonly maxFailures: number;
}

export const ENTRY_DEFAULTS: EntrySettings = Object.freeze({
  proposalTimeoutMs: 2_000,
  unansweredMs: 400,
  proposalDoubtMs: 250,
  leaseDoubtMs: RENEW_MS + 150,
  doubtAgainMs: 250,
  backoffMs: 50,
  maxBackoffMs: 1_000,
  maxLeaseMs: 5_000,
  termShare: 0.75,
  maxFailures: 4,
});

/** Why a request ended without an answer, or a candidate said no. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
}

export type EntryPhase =
  /** `doubtMs`: when it is doubted, unless it is heard before. */
  | {
      readonly kind: 'proposing';
      readonly peer: PeerId;
      readonly sinceMs: number;
      readonly untilMs: number;
      readonly doubtMs: number;
    }
  | {
      readonly kind: 'running';
      readonly peer: PeerId;
      readonly leaseMs: number;
      readonly untilMs: number;
      readonly doubtMs: number;
      readonly endMs: number;
    }
  | { readonly kind: 'waiting'; readonly untilMs: number }
  | { readonly kind: 'ended' };

export interface EntryState {
  readonly requestId: RequestId;
  readonly settings: EntrySettings;
  /** Absolute, on the clock of `nowMs`. */
  readonly deadlineMs: number;
  /** Of the last proposal; the first is 1, or comes after those of an entry before. */
  readonly term: number;
  /** Not asked yet in this round, best first. */
  readonly candidates: readonly PeerId[];
  /** Asked in this round and worth asking again. */
  readonly asked: readonly PeerId[];
  readonly round: number;
  /** Candidates that were given up since they did not answer. */
  readonly unanswered: number;
  readonly failures: number;
  readonly lastFailure: Failure | null;
  readonly phase: EntryPhase;
}

/** Time has passed. */
interface Tick {
  readonly kind: 'tick';
  /** Those that were asked for a sign of life and gave none. */
  readonly doubtful?: readonly PeerId[];
  /** What an answer of whoever has the request usually takes. */
  readonly usualMs?: number;
}

export type EntryEvent<Result> =
  | { readonly kind: 'accepted'; readonly peer: PeerId; readonly term: number; readonly leaseMs: number }
  | { readonly kind: 'declined'; readonly peer: PeerId; readonly term: number; readonly failure: Failure }
  | { readonly kind: 'renewed'; readonly peer: PeerId; readonly term: number }
  | { readonly kind: 'completed'; readonly peer: PeerId; readonly term: number; readonly result: Result }
  | { readonly kind: 'failed'; readonly peer: PeerId; readonly term: number; readonly failure: Failure }
  /** The peer is gone, whatever it was asked. */
  | { readonly kind: 'peerLost'; readonly peer: PeerId }
  /** A peer (re)joined and may coordinate; it is asked after those still waiting to be. */
  | { readonly kind: 'peerFound'; readonly peer: PeerId }
  | Tick
  | { readonly kind: 'cancelled' };

export type EntryEffect<Result> =
  | { readonly kind: 'propose'; readonly peer: PeerId; readonly term: number; readonly remainingMs: number }
  /** The peer is silent for longer than can be explained. */
  | { readonly kind: 'doubt'; readonly peer: PeerId }
  | { readonly kind: 'sendCancel'; readonly peer: PeerId; readonly term: number }
  | { readonly kind: 'deliver'; readonly peer: PeerId; readonly term: number; readonly result: Result }
  | { readonly kind: 'giveUp'; readonly failure: Failure };

export type EntryStep<Result> = readonly [EntryState, readonly EntryEffect<Result>[]];

/** Failures that another coordinator need not have: a newer term, a disk that is full. */
const OF_ONE_PEER: readonly ErrorCode[] = ['STALE_TERM', 'STORAGE_FAILED'];
const isRetryable = (code: ErrorCode): boolean => ERROR_CODES[code].isRetryable || OF_ONE_PEER.includes(code);

const without = (peers: readonly PeerId[], peer: PeerId): readonly PeerId[] => peers.filter((other) => other !== peer);

function giveUp<Result>(state: EntryState, failure: Failure): EntryStep<Result> {
  return [{ ...state, phase: { kind: 'ended' } }, [...cancelLive<Result>(state), { kind: 'giveUp', failure }]];
}

/** Tells whoever holds the current term to stop. */
function cancelLive<Result>({ phase, term }: EntryState): readonly EntryEffect<Result>[] {
  return phase.kind === 'proposing' || phase.kind === 'running' ? [{ kind: 'sendCancel', peer: phase.peer, term }] : [];
}

/** Proposes to the next candidate; with none left waits for those that may say yes later, or gives up. */
function proposeNext<Result>(state: EntryState, nowMs: number): EntryStep<Result> {
  const [peer, ...candidates] = state.candidates;
  const { settings } = state;
  if (peer !== undefined) {
    const term = state.term + 1;
    const untilMs = nowMs + settings.proposalTimeoutMs;
    const phase = {
      kind: 'proposing',
      peer,
      sinceMs: nowMs,
      untilMs,
      doubtMs: nowMs + settings.proposalDoubtMs,
    } as const;
    const remainingMs = Math.max(0, state.deadlineMs - nowMs);
    return [{ ...state, term, candidates, phase }, [{ kind: 'propose', peer, term, remainingMs }]];
  }
  if (state.asked.length === 0) {
    return giveUp(
      { ...state, phase: { kind: 'ended' } },
      state.lastFailure ?? {
        code: 'UNAVAILABLE',
        message: 'no peer can coordinate this request: check that peers holding the model are up, then try again',
      },
    );
  }
  const pauseMs = Math.min(settings.maxBackoffMs, settings.backoffMs * 2 ** Math.min(state.round, 30));
  return [{ ...state, round: state.round + 1, phase: { kind: 'waiting', untilMs: nowMs + pauseMs } }, []];
}

/** The live term is over: on to the next one. `keep`: ask this peer again in a later round. */
function moveOn<Result>(
  state: EntryState,
  nowMs: number,
  peer: PeerId,
  keep: boolean,
  failure: Failure,
): EntryStep<Result> {
  const asked = keep ? [...without(state.asked, peer), peer] : without(state.asked, peer);
  return proposeNext({ ...state, asked, lastFailure: failure, phase: { kind: 'ended' } }, nowMs);
}

/** Whether the candidate that is asked is to be given up for another one. It has done nothing yet that would be lost. */
function isInVain({ phase, settings, unanswered, candidates }: EntryState, nowMs: number, tick: Tick): boolean {
  if (phase.kind !== 'proposing') return false;
  const { doubtful = [], usualMs = 0 } = tick;
  if (!candidates.some((peer) => !doubtful.includes(peer))) return false;
  return (
    doubtful.includes(phase.peer) ||
    nowMs - phase.sinceMs >= settings.unansweredMs * 2 ** Math.min(unanswered, 30) + usualMs
  );
}

function tick<Result>(state: EntryState, nowMs: number, event: Tick = { kind: 'tick' }): EntryStep<Result> {
  const { phase } = state;
  if (nowMs >= state.deadlineMs) {
    const overloaded = phase.kind === 'waiting' && state.lastFailure?.code === 'OVERLOADED' ? state.lastFailure : null;
    const message =
      'the request was not answered by its deadline: allow it more time, or try when the mesh is less busy';
    return giveUp(state, overloaded ?? { code: 'DEADLINE_EXCEEDED', message });
  }
  if (phase.kind === 'ended') return [state, []];
  if (nowMs < phase.untilMs && !isInVain(state, nowMs, event)) {
    if (phase.kind === 'waiting' || nowMs < phase.doubtMs) return [state, []];
    const doubted = { ...phase, doubtMs: nowMs + state.settings.doubtAgainMs };
    return [{ ...state, phase: doubted }, [{ kind: 'doubt', peer: phase.peer }]];
  }
  if (phase.kind === 'waiting') return proposeNext({ ...state, candidates: state.asked, asked: [] }, nowMs);
  const failure: Failure =
    phase.kind === 'running'
      ? { code: 'LEASE_LAPSED', message: 'the coordinator stopped renewing its lease, or did not get on' }
      : { code: 'UNAVAILABLE', message: 'the candidate did not answer the proposal' };
  const unanswered = state.unanswered + (phase.kind === 'proposing' ? 1 : 0);
  const [next, effects] = moveOn<Result>({ ...state, unanswered }, nowMs, phase.peer, true, failure);
  return [next, [...cancelLive<Result>(state), ...effects]];
}

function lose<Result>(state: EntryState, nowMs: number, peer: PeerId): EntryStep<Result> {
  const { phase } = state;
  const rest = { ...state, candidates: without(state.candidates, peer), asked: without(state.asked, peer) };
  if ((phase.kind === 'proposing' || phase.kind === 'running') && phase.peer === peer) {
    return moveOn(rest, nowMs, peer, false, { code: 'PEER_LOST', message: 'the coordinator was lost' });
  }
  const nobodyLeft = phase.kind === 'waiting' && rest.candidates.length + rest.asked.length === 0;
  return nobodyLeft ? proposeNext(rest, nowMs) : [rest, []];
}

function find<Result>(state: EntryState, nowMs: number, peer: PeerId): EntryStep<Result> {
  const { phase } = state;
  const isLive = (phase.kind === 'proposing' || phase.kind === 'running') && phase.peer === peer;
  if (isLive || state.candidates.includes(peer)) return [state, []];
  const next = { ...state, candidates: [...state.candidates, peer], asked: without(state.asked, peer) };
  return phase.kind === 'waiting' ? proposeNext(next, nowMs) : [next, []];
}

/**
 * A new request and the first proposal. `candidates`: see `rankCandidates`. `nowMs` and `deadlineMs`: one clock.
 * @param termsBefore terms that another entry may have used for the same request.
 */
export function beginEntry<Result>(
  requestId: RequestId,
  candidates: readonly PeerId[],
  deadlineMs: number,
  nowMs: number,
  settings: EntrySettings = ENTRY_DEFAULTS,
  termsBefore = 0,
): EntryStep<Result> {
  const state: EntryState = {
    requestId,
    settings,
    deadlineMs,
    term: termsBefore,
    candidates: [...new Set(candidates)],
    asked: [],
    round: 0,
    unanswered: 0,
    failures: 0,
    lastFailure: null,
    phase: { kind: 'waiting', untilMs: nowMs },
  };
  return nowMs >= deadlineMs ? tick(state, nowMs) : proposeNext(state, nowMs);
}

/** Asks those that are in doubt after all others. */
export function demote(state: EntryState, doubtful: readonly PeerId[]): EntryState {
  const last = state.candidates.filter((peer) => doubtful.includes(peer));
  if (last.length === 0) return state;
  return { ...state, candidates: [...state.candidates.filter((peer) => !doubtful.includes(peer)), ...last] };
}

/** What the event makes of the state, and what is to be done. Messages of old terms and after the end change nothing. */
export function stepEntry<Result>(state: EntryState, event: EntryEvent<Result>, nowMs: number): EntryStep<Result> {
  const { phase } = state;
  if (phase.kind === 'ended') return [state, []];
  switch (event.kind) {
    case 'tick':
      return tick(state, nowMs, event);
    case 'cancelled':
      return giveUp(state, { code: 'CANCELLED', message: 'the request was cancelled' });
    case 'peerLost':
      return lose(state, nowMs, event.peer);
    case 'peerFound':
      return find(state, nowMs, event.peer);
    case 'accepted':
    case 'declined':
    case 'renewed':
    case 'completed':
    case 'failed':
      break;
  }
  if (phase.kind === 'waiting' || event.peer !== phase.peer || event.term !== state.term) {
    // Whoever still holds a term that is over is to let go of it.
    const isOver = event.term < state.term || (event.term === state.term && phase.kind === 'waiting');
    const isHeld = event.kind === 'accepted' || event.kind === 'renewed';
    return [state, isHeld && isOver ? [{ kind: 'sendCancel', peer: event.peer, term: event.term }] : []];
  }
  const { peer, term } = event;
  switch (event.kind) {
    case 'accepted': {
      const leaseMs = Math.min(event.leaseMs, state.settings.maxLeaseMs);
      const doubtMs = nowMs + state.settings.leaseDoubtMs;
      const hasOthers = state.candidates.length + state.asked.length > 0;
      const share = hasOthers ? state.settings.termShare : 1;
      const endMs = nowMs + (state.deadlineMs - nowMs) * share;
      return [
        {
          ...state,
          phase: { kind: 'running', peer, leaseMs, untilMs: Math.min(endMs, nowMs + leaseMs), doubtMs, endMs },
        },
        [],
      ];
    }
    case 'renewed':
      if (phase.kind !== 'running') return [state, []];
      return [
        {
          ...state,
          phase: {
            ...phase,
            untilMs: Math.min(phase.endMs, nowMs + phase.leaseMs),
            doubtMs: nowMs + state.settings.leaseDoubtMs,
          },
        },
        [],
      ];
    case 'completed':
      return [{ ...state, phase: { kind: 'ended' } }, [{ kind: 'deliver', peer, term, result: event.result }]];
    case 'declined':
      return isRetryable(event.failure.code)
        ? moveOn(state, nowMs, peer, true, event.failure)
        : giveUp({ ...state, phase: { kind: 'ended' } }, event.failure);
    case 'failed': {
      const failures = state.failures + 1;
      return isRetryable(event.failure.code) && failures < state.settings.maxFailures
        ? moveOn({ ...state, failures }, nowMs, peer, true, event.failure)
        : giveUp({ ...state, failures, phase: { kind: 'ended' } }, event.failure);
    }
  }
}

/** When the next `tick` is due, on the clock of `nowMs`; Infinity once the request has ended. */
export const nextTickMs = ({ phase, deadlineMs }: EntryState): number =>
  phase.kind === 'ended'
    ? Infinity
    : Math.min(deadlineMs, phase.untilMs, phase.kind === 'waiting' ? Infinity : phase.doubtMs);
