/** A trace as a picture: the feature maps cut into tiles in the colours of the peers, and who did what when. */
import type { Interval } from '../../core/geometry/interval.ts';
import type { Region } from '../../core/geometry/region.ts';
import { MeshError } from '../../core/errors.ts';
import type { PeerId } from '../../core/ids.ts';
import type { Box, PlanOutline } from '../../core/trace/outline.ts';
import type { RequestTrace } from '../../core/trace/trace.ts';
import { drawGantt } from '../../sim/svg/gantt.ts';
import { drawFigures, type Figure } from '../../sim/svg/maps.ts';
import { drawPage, INNER_WIDTH } from '../../sim/svg/picture.ts';
import type { Mark, MessageSpan, TileSpan } from '../../sim/timeline.ts';
import { clean, formatMs } from '../text.ts';

const ENTRY = -1;
const MAX_CAPTION = 26;
/** Moments that explain a gap. */
const SHOWN_MARKS: ReadonlySet<string> = new Set(['coordinator lost', 'planning again', 'failed']);

const regionOf = (box: NonNullable<Box>): Region => box.map(([start, end]): Interval => ({ start, end }));

const sizeOf = (shape: readonly number[] | null): number =>
  shape?.reduce((product, extent) => product * extent, 1) ?? 0;

function figuresOf({ blocks, inputs, pieces, tensors }: PlanOutline, computeMs: ReadonlyMap<number, number>): Figure[] {
  const movedOf = (tensor: string): Region[] =>
    pieces.flatMap((piece) => (piece.tensor === tensor && piece.region !== null ? [regionOf(piece.region)] : []));
  const bytesBefore = (block: number): number =>
    pieces.reduce((sum, { reader, bytes }) => sum + (reader?.[0] === block ? bytes : 0), 0);
  const drawnInputs = inputs.map((tensor): Figure => {
    const shape = tensors[tensor]?.shape ?? [];
    const held = [[ENTRY, shape.map((end) => ({ start: 0, end }))]] as const;
    const cut = blocks[0] ?? { axes: [], counts: [] };
    return { tensor: clean(tensor), isInput: true, shape, cut, held, moved: movedOf(tensor), captions: ['input'] };
  });
  const made = blocks.map((block, index): Figure => {
    const names = Object.keys(block.tiles[0]?.outputs ?? {});
    const tensor =
      names.toSorted((a, b) => sizeOf(tensors[b]?.shape ?? null) - sizeOf(tensors[a]?.shape ?? null))[0] ?? '';
    const held = block.tiles.flatMap(({ participant, outputs }) => {
      const box = outputs[tensor];
      return box == null ? [] : [[participant, regionOf(box)] as const];
    });
    const [first = '', last = ''] = [block.nodes[0], block.nodes.at(-1)];
    const layers = clean(block.nodeCount === 1 ? first : `${first} … ${last}`, MAX_CAPTION);
    const captions = [
      layers,
      block.cut,
      `${formatMs(computeMs.get(index) ?? 0)} the slowest tile`,
      `${(bytesBefore(index) / 1e6).toFixed(2)} MB before`,
    ];
    const shape = tensors[tensor]?.shape ?? [];
    return { tensor: clean(tensor), isInput: false, shape, cut: block, held, moved: movedOf(tensor), captions };
  });
  return [...drawnInputs, ...made];
}

/** @returns an SVG document. @throws MeshError UNAVAILABLE where no plan is known any more. */
export function drawTrace(trace: RequestTrace): string {
  const index = trace.attempts.findLastIndex(({ plan }) => plan !== null);
  const plan = trace.attempts[index]?.plan;
  if (plan == null)
    throw new MeshError('UNAVAILABLE', 'no peer keeps the plan of this request any more: nothing to draw');
  const order = [...plan.participants, ...trace.peers.map(({ peer }) => peer)];
  const peers = [...new Set<PeerId>(order)];
  const names = peers.map((peer) => clean(trace.names[peer] ?? '', 14) || peer.slice(-8));
  const boardOf = (peer: PeerId): number => peers.indexOf(peer);

  const tiles = trace.peers.flatMap(({ peer, computed }) =>
    computed.map(({ attempt, block, part, lane, startMs, endMs }): TileSpan => {
      return { request: 0, attempt, board: boardOf(peer), lane, block, part, startMs, endMs };
    }),
  );
  const slowest = new Map<number, number>();
  for (const { attempt, block, startMs, endMs } of tiles) {
    if (attempt === index) slowest.set(block, Math.max(slowest.get(block) ?? 0, endMs - startMs));
  }
  const marks = trace.peers.flatMap(({ peer, marks: own }) =>
    own.flatMap(({ what, atMs }): Mark[] =>
      SHOWN_MARKS.has(what) ? [{ atMs, board: boardOf(peer), request: 0, what }] : [],
    ),
  );
  const maps = drawFigures(figuresOf(plan, slowest), names, INNER_WIDTH);
  const ends = tiles.map(({ endMs }) => endMs);
  const gantt = drawGantt({
    timeline: { tiles, messages: messagesOf(trace, boardOf), marks },
    names,
    participants: plan.participants.map(boardOf),
    fromMs: 0,
    toMs: Math.max(trace.elapsedMs, ...ends),
    width: INNER_WIDTH,
  });
  const uncertainty = Math.max(...trace.peers.map(({ clock }) => clock.uncertaintyMs));
  const { term, attempt } = trace.attempts[index]!;
  return drawPage({
    title: `${clean(trace.model ?? 'a request')}: ${trace.state} in ${formatMs(trace.elapsedMs)}`,
    subtitle: `request ${trace.requestId}, term ${term}, plan ${attempt}; clocks agree to ${uncertainty.toFixed(2)} ms`,
    maps,
    gantt,
    ganttTitle: 'Peers and their cables over time',
  });
}

/** Sent and received halves of pieces, put together. */
function messagesOf(trace: RequestTrace, boardOf: (peer: PeerId) => number): MessageSpan[] {
  const sent = new Map(
    trace.peers.flatMap((own) =>
      own.sent.map((span) => [`${span.attempt}/${span.piece}`, { ...span, peer: own.peer }]),
    ),
  );
  return trace.peers.flatMap((own) =>
    own.received.flatMap((span): MessageSpan[] => {
      const from = sent.get(`${span.attempt}/${span.piece}`);
      if (from === undefined) return [];
      return [
        {
          request: 0,
          purpose: 'piece',
          bytes: span.bytes,
          from: boardOf(from.peer),
          to: boardOf(own.peer),
          block: 0,
          part: 0,
          sentMs: [from.startMs, from.endMs],
          receivedMs: [Math.min(from.endMs, span.endMs), span.endMs],
        },
      ];
    }),
  );
}
