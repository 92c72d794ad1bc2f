/**
 * A trace in the Trace Event Format (Google, 2016), which Perfetto and chrome://tracing open: a process for each peer, in it a
 * track for each lane of its kernel, for what it sends and receives, and for the moments of the protocol; arrows from where
 * a piece was sent to where it came in.
 */
import type { PeerId } from '../../core/ids.ts';
import type { AttemptTrace, ComputeSpan, MoveSpan, PeerTrace, RequestTrace } from '../../core/trace/trace.ts';
import { clean } from '../text.ts';

type Event = Readonly<Record<string, unknown>>;

export interface ChromeTrace {
  readonly traceEvents: readonly Event[];
  readonly displayTimeUnit: 'ms';
  readonly otherData: Readonly<Record<string, unknown>>;
}

/** Numbers of tracks, so that they stand in this order. */
const PROTOCOL_TRACK = 1;
const LANE_TRACKS = 10;
const SENT_TRACKS = 100;
const RECEIVED_TRACKS = 200;

const toMicroseconds = (ms: number): number => Math.round(ms * 1e3);
/** What is shorter is not shown at all. */
const durationOf = (startMs: number, endMs: number): number => Math.max(1, toMicroseconds(endMs - startMs));

/** Spans that overlap stand on tracks of their own. Returns the level of each, in their order. */
export function levelsOf(spans: readonly { readonly startMs: number; readonly endMs: number }[]): readonly number[] {
  const ends: number[] = [];
  const levels = new Array<number>(spans.length).fill(0);
  const order = spans.map((_, index) => index).sort((a, b) => spans[a]!.startMs - spans[b]!.startMs);
  for (const index of order) {
    const { startMs, endMs } = spans[index]!;
    const free = ends.findIndex((end) => end <= startMs);
    const level = free < 0 ? ends.length : free;
    // A span takes a microsecond at least.
    ends[level] = Math.max(endMs, startMs + 0.001);
    levels[index] = level;
  }
  return levels;
}

interface Flow {
  readonly sender: PeerId;
  readonly span: MoveSpan;
  readonly pid: number;
  readonly tid: number;
}

export function toChromeTrace(trace: RequestTrace): ChromeTrace {
  const flows = new Map<string, Flow>();
  const sentEvents = trace.peers.flatMap((own, pid) => sends(trace, own, pid, flows));
  const events = trace.peers.flatMap((own, pid) => [
    ...describeProcess(trace, own, pid),
    ...own.computed.map((span) => computation(trace, span, pid)),
    ...receipts(trace, own, pid, flows),
    ...moments(trace, own, pid),
  ]);
  return {
    traceEvents: [...events, ...sentEvents],
    displayTimeUnit: 'ms',
    otherData: {
      schema: trace.schema,
      requestId: trace.requestId,
      model: trace.model,
      state: trace.state,
      elapsedMs: trace.elapsedMs,
    },
  };
}

const nameOf = (trace: RequestTrace, peer: PeerId): string => clean(trace.names[peer] ?? '') || peer;

const metadata = (name: string, pid: number, tid: number, args: object): Event => ({ ph: 'M', name, pid, tid, args });

function describeProcess(trace: RequestTrace, own: PeerTrace, pid: number): readonly Event[] {
  const roles = [
    ...(own.peer === trace.entry ? ['entry'] : []),
    ...(trace.attempts.at(-1)?.coordinator === own.peer ? ['coordinator'] : []),
  ];
  const suffix = roles.length === 0 ? '' : ` (${roles.join(', ')})`;
  const lanes = [...new Set(own.computed.map(({ lane }) => lane))];
  const tracks = (spans: readonly MoveSpan[], first: number, title: string): Event[] =>
    [...new Set(levelsOf(spans))].map((level) =>
      metadata('thread_name', pid, first + level, { name: level === 0 ? title : `${title} ${level + 1}` }),
    );
  return [
    metadata('process_name', pid, 0, { name: `${nameOf(trace, own.peer)}${suffix}` }),
    metadata('process_sort_index', pid, 0, { sort_index: pid }),
    metadata('thread_name', pid, PROTOCOL_TRACK, { name: 'protocol' }),
    ...lanes.map((lane) => metadata('thread_name', pid, LANE_TRACKS + lane, { name: `lane ${lane + 1}` })),
    ...tracks(own.sent, SENT_TRACKS, 'sent'),
    ...tracks(own.received, RECEIVED_TRACKS, 'received'),
  ];
}

function computation(trace: RequestTrace, span: ComputeSpan, pid: number): Event {
  const { block, part, lane, readyMs, startMs, endMs } = span;
  const own = trace.attempts[span.attempt]!;
  const outline = own.plan?.blocks[block];
  const tile = outline?.tiles[part];
  return {
    ph: 'X',
    cat: 'compute',
    name: `block ${block + 1}, part ${part + 1}`,
    pid,
    tid: LANE_TRACKS + lane,
    ts: toMicroseconds(startMs),
    dur: durationOf(startMs, endMs),
    args: {
      ...ofAttempt(own),
      waitedMs: startMs - readyMs,
      ...(outline && { cut: outline.cut, nodes: outline.nodes.map((name) => clean(name)) }),
      ...(tile && { outputs: tile.outputs, inputs: tile.inputs, predictedMs: tile.predictedMs }),
    },
  };
}

const ofAttempt = ({ term, attempt, outcome }: AttemptTrace): object => ({ term, attempt, outcome });

function pieceOf(trace: RequestTrace, { attempt, piece, bytes }: MoveSpan): { name: string; args: object } {
  const own = trace.attempts[attempt]!;
  const outline = own.plan?.pieces.find(({ id }) => id === piece);
  if (outline === undefined) return { name: `piece ${piece}`, args: { ...ofAttempt(own), bytes } };
  const { tensor, region, reader, from, to } = outline;
  const peers = own.plan!.participants;
  const end = (index: number): string => (index === -1 ? 'entry' : nameOf(trace, peers[index] ?? ('' as PeerId)));
  const target = reader === null ? 'outputs' : `block ${reader[0] + 1}, part ${reader[1] + 1}`;
  return {
    name: `${clean(tensor, 40)} for ${target}`,
    args: { ...ofAttempt(own), bytes, region, from: end(from), to: end(to) },
  };
}

const keyOf = ({ attempt, piece }: MoveSpan): string => `${attempt}/${piece}`;

function sends(trace: RequestTrace, own: PeerTrace, pid: number, flows: Map<string, Flow>): readonly Event[] {
  const levels = levelsOf(own.sent);
  return own.sent.flatMap((span, index) => {
    const tid = SENT_TRACKS + levels[index]!;
    const ts = toMicroseconds(span.startMs);
    flows.set(keyOf(span), { sender: own.peer, span, pid, tid });
    return [
      { ph: 'X', cat: 'sent', pid, tid, ts, dur: durationOf(span.startMs, span.endMs), ...pieceOf(trace, span) },
      { ph: 's', cat: 'piece', name: 'piece', id: keyOf(span), pid, tid, ts },
    ];
  });
}

/** From when it was sent until it was there, as far as both are known. */
function receipts(trace: RequestTrace, own: PeerTrace, pid: number, flows: Map<string, Flow>): readonly Event[] {
  const spans = own.received.map((span) => {
    const flow = flows.get(keyOf(span));
    return { ...span, startMs: Math.min(flow?.span.startMs ?? span.endMs, span.endMs) };
  });
  const levels = levelsOf(spans);
  return spans.flatMap((span, index) => {
    const tid = RECEIVED_TRACKS + levels[index]!;
    const ts = toMicroseconds(span.startMs);
    const dur = durationOf(span.startMs, span.endMs);
    const event = { ph: 'X', cat: 'received', pid, tid, ts, dur, ...pieceOf(trace, span) };
    if (!flows.has(keyOf(span))) return [event];
    return [event, { ph: 'f', bp: 'e', cat: 'piece', name: 'piece', id: keyOf(span), pid, tid, ts: ts + dur - 1 }];
  });
}

const moments = (trace: RequestTrace, { marks }: PeerTrace, pid: number): readonly Event[] =>
  marks.map(({ atMs, what, term, attempt, peer, text }) => ({
    ph: 'i',
    s: 't',
    cat: 'protocol',
    name: what,
    pid,
    tid: PROTOCOL_TRACK,
    ts: toMicroseconds(atMs),
    args: {
      ...(term > 0 && { term }),
      ...(attempt > 0 && { attempt }),
      ...(peer !== undefined && { peer: nameOf(trace, peer) }),
      ...(text !== undefined && { text: clean(text, 500) }),
    },
  }));
