/**
 * Collects, when somebody asks, what the peers know: their part in a request, the requests at hand, how they are. Nobody is
 * waited for longer than `ANSWER_MS`; whoever does not answer is named.
 */
import type { InspectProvider } from '../../protocols/inspect/server.ts';
import type { Session } from '../../protocols/inspect/session.ts';
import type { HeardCard, PeerCard } from '../core/card.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { PeerId, PlanDigest, RequestId } from '../core/ids.ts';
import { offsetFrom, type ClockOffset, type ClockSample } from '../core/trace/clock-offset.ts';
import { outlinePlan, type PlanOutline } from '../core/trace/outline.ts';
import { summarise, type RequestSummary } from '../core/trace/summary.ts';
import { assembleTrace, attemptsIn, type HeardAccount, type RequestTrace } from '../core/trace/trace.ts';
import { encodeDocument, readAccount, readCard, readOutline, readSummaries } from './inspection-documents.ts';
import type { Clock } from './ports.ts';
import type { Preparation } from './preparation.ts';
import type { Recorder } from './recording.ts';
import type { RoundTripHistory } from './round-trip-history.ts';

/** What the inspector needs of the protocol. */
export interface InspectChannel {
  ask<Result>(
    peer: PeerId,
    conversation: (session: Pick<Session, 'document' | 'clock'>) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result>;
}

export interface InspectorParts {
  readonly self: PeerId;
  readonly channel: InspectChannel;
  /** Members that can be asked, without this peer. */
  readonly others: () => readonly PeerId[];
  readonly nameOf: (peer: PeerId) => string;
  readonly records: Recorder;
  readonly preparation: Pick<Preparation, 'known'>;
  readonly clock: Clock;
  /** Is told of every round trip. */
  readonly roundTrips: Pick<RoundTripHistory, 'note'>;
  /** Of this peer. */
  readonly card: () => Promise<PeerCard>;
}

/** For each peer, all of its answers together. */
const ANSWER_MS = 2_000;
/** Round trips from which the best is taken. */
const CLOCK_SAMPLES = 8;
const MAX_PINGS = 100;

const SAME_CLOCK: ClockOffset = { offsetMs: 0, uncertaintyMs: 0, roundTripMs: 0 };

type Heard<Result> =
  { readonly peer: PeerId; readonly result: Result } | { readonly peer: PeerId; readonly reason: string };

export class Inspector {
  readonly #parts: InspectorParts;

  constructor(parts: InspectorParts) {
    this.#parts = parts;
  }

  /** What this peer answers others. */
  provider(): InspectProvider {
    const { records, clock, card } = this.#parts;
    return {
      clockMs: () => clock.now(),
      account: (requestId) => {
        const recording = records.find(requestId);
        return recording === undefined ? null : encodeDocument(recording.account());
      },
      plan: (digest) => {
        const outline = this.#outline(digest);
        return outline === undefined ? null : encodeDocument(outline);
      },
      requests: () => encodeDocument(this.#ownRequests()),
      card: async () => encodeDocument(await card()),
    };
  }

  /** Requests that came in lately, newest first; of this peer only, or of all that answer. */
  async requests(scope: 'peer' | 'mesh', signal: AbortSignal): Promise<readonly RequestSummary[]> {
    const own = this.#ownRequests();
    if (scope === 'peer') return own;
    const heard = await this.#askAll((session) => session.document({ kind: 'requests' }), signal);
    const theirs = heard.flatMap((answer) => {
      if (!('result' in answer) || answer.result === null) return [];
      // Whoever answers speaks of what came in there, and of nothing else.
      return orElse(() => readSummaries(answer.result!), []).filter(({ entry }) => entry === answer.peer);
    });
    return [...own, ...theirs].sort((a, b) => b.arrivedUnixMs - a.arrivedUnixMs);
  }

  /** @throws MeshError NOT_FOUND when no peer that answers remembers the request. */
  async trace(requestId: RequestId, signal: AbortSignal): Promise<RequestTrace> {
    const { self, clock, records, nameOf } = this.#parts;
    const answers = await this.#askAll(async (session, peer) => {
      const bytes = await session.document({ kind: 'account', requestId });
      return bytes === null ? null : { account: readAccount(bytes), clock: await this.#compareClocks(peer, session) };
    }, signal);
    const own = records.find(requestId);
    const heard: readonly HeardAccount[] = [
      ...(own === undefined ? [] : [{ peer: self, account: own.account(), clock: SAME_CLOCK }]),
      ...answers.flatMap((answer) =>
        'result' in answer && answer.result !== null ? [{ peer: answer.peer, ...answer.result }] : [],
      ),
    ];
    if (heard.length === 0) {
      const message = `no peer that answers remembers request ${requestId}: see "tilemesh ps --all"`;
      throw new MeshError('NOT_FOUND', message);
    }
    const missing = answers.flatMap((answer) => ('reason' in answer ? [answer] : []));
    const plans = await this.#plans(heard, signal);
    return assembleTrace({ requestId, collectedBy: self, nowMs: clock.now(), heard, plans, nameOf, missing });
  }

  /** Of this peer first, then of all others that are members. */
  async cards(signal: AbortSignal): Promise<readonly HeardCard[]> {
    const { self, card } = this.#parts;
    const answers = await this.#askAll(async (session, peer) => {
      const clock = await this.#compareClocks(peer, session);
      const askedUnixMs = Date.now();
      const bytes = await session.document({ kind: 'card' });
      if (bytes === null) throw new MeshError('UNAVAILABLE', 'it says nothing of itself');
      const heardUnixMs = Date.now();
      const theirs = readCard(bytes);
      return {
        card: theirs,
        clockSkewMs: (askedUnixMs + heardUnixMs) / 2 - theirs.unixMs,
        roundTripMs: clock.roundTripMs,
      };
    }, signal);
    const own: HeardCard = { peer: self, card: await card(), clockSkewMs: 0, roundTripMs: 0, reason: '' };
    return [
      own,
      ...answers.map((answer): HeardCard =>
        'result' in answer
          ? { peer: answer.peer, ...answer.result, reason: '' }
          : { ...answer, card: null, clockSkewMs: 0, roundTripMs: 0 },
      ),
    ];
  }

  /** Round trips to a peer, milliseconds, on one stream. @throws MeshError as the peer is asked. */
  async ping(peer: PeerId, times: number, signal: AbortSignal): Promise<readonly number[]> {
    const { self, channel } = this.#parts;
    if (peer === self) return [];
    const samples = Math.min(MAX_PINGS, times);
    return channel.ask(peer, async (session) => (await this.#sample(peer, session, samples)).map(roundTripOf), signal);
  }

  #ownRequests(): readonly RequestSummary[] {
    const { self, records, clock } = this.#parts;
    return records.all().flatMap(({ requestId, facts, marks }) => {
      return facts === undefined ? [] : [summarise(requestId, self, facts, marks, clock.now())];
    });
  }

  #outline(digest: PlanDigest): PlanOutline | undefined {
    const known = this.#parts.preparation.known(digest);
    return known && outlinePlan(known.bound, known.plan, known.dataflow);
  }

  /** Each from this peer, or from the first that keeps it. */
  async #plans(heard: readonly HeardAccount[], signal: AbortSignal): Promise<ReadonlyMap<PlanDigest, PlanOutline>> {
    const plans = new Map<PlanDigest, PlanOutline>();
    const digests = new Set(attemptsIn(heard).flatMap(({ digest }) => (digest === null ? [] : [digest])));
    for (const digest of digests) {
      const outline = this.#outline(digest) ?? (await this.#outlineFrom(digest, heard, signal));
      if (outline !== undefined) plans.set(digest, outline);
    }
    return plans;
  }

  async #outlineFrom(
    digest: PlanDigest,
    heard: readonly HeardAccount[],
    signal: AbortSignal,
  ): Promise<PlanOutline | undefined> {
    const holders = heard.filter(({ account }) => account.marks.some((mark) => mark.digest === digest));
    for (const { peer } of holders) {
      if (peer === this.#parts.self) continue;
      const answer = await this.#ask(peer, (session) => session.document({ kind: 'plan', digest }), signal);
      if (!('result' in answer) || answer.result === null) continue;
      const outline = orElse(() => readOutline(answer.result!), undefined);
      if (outline !== undefined) return outline;
    }
    return undefined;
  }

  async #compareClocks(peer: PeerId, session: Pick<Session, 'clock'>): Promise<ClockOffset> {
    const offset = offsetFrom(await this.#sample(peer, session, CLOCK_SAMPLES));
    if (offset === undefined) throw new MeshError('INTERNAL', 'no round trip was measured');
    return offset;
  }

  async #sample(peer: PeerId, session: Pick<Session, 'clock'>, times: number): Promise<readonly ClockSample[]> {
    const { clock, roundTrips } = this.#parts;
    const samples: ClockSample[] = [];
    for (let taken = 0; taken < times; taken++) {
      const askedMs = clock.now();
      const answeredMs = await session.clock();
      const heardMs = clock.now();
      roundTrips.note(peer, heardMs - askedMs);
      samples.push({ askedMs, answeredMs, heardMs });
    }
    return samples;
  }

  #askAll<Result>(
    conversation: (session: Pick<Session, 'document' | 'clock'>, peer: PeerId) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<readonly Heard<Result>[]> {
    const ask = (peer: PeerId) => this.#ask(peer, (session) => conversation(session, peer), signal);
    return Promise.all(this.#parts.others().map(ask));
  }

  async #ask<Result>(
    peer: PeerId,
    conversation: (session: Pick<Session, 'document' | 'clock'>) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Heard<Result>> {
    signal.throwIfAborted();
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
      return { peer, result: await this.#parts.channel.ask(peer, conversation, limited) };
    } catch (error) {
      signal.throwIfAborted();
      this.#parts.roundTrips.note(peer, null);
      return { peer, reason: toMeshError(error).message };
    }
  }
}

const roundTripOf = ({ askedMs, heardMs }: ClockSample): number => heardMs - askedMs;

function orElse<Value>(make: () => Value, otherwise: Value): Value {
  try {
    return make();
  } catch {
    return otherwise;
  }
}
