/** The chart of `gantt.js` as SVG. */
import { svg } from './elements.js';
import { clean, formatBytes, formatMs } from './format.js';
import { AXIS, layOutGantt, ROW } from './gantt.js';

const MIN_LABEL = 12;
const MAX_ARROWS = 400;
/** Of the word beside a mark: nearer than that to the edge it stands before the mark. */
const MARK_WIDTH = 72;

/**
 * @param {any} trace
 * @param {object} options `peers` in order, `width`, `looks`, `nameOf`, `attempt` shown, `block` chosen, `pieces` that it reads
 * @returns {SVGElement}
 */
export function drawGantt(trace, { peers, width, looks, nameOf, attempt, fromMs, block, pieces, title }) {
  const isNarrow = width < 560;
  const left = isNarrow ? 30 : 116;
  const { height, ticks, tiles, moves, marks, y } = layOutGantt(trace, peers, width, left, fromMs);
  const bands = peers.map((peer, row) => {
    const look = looks.of(peer);
    return svg(
      'g',
      {},
      row % 2 === 0 ? svg('rect', { x: 0, y: y(peer), width, height: ROW, class: 'band' }) : null,
      svg('rect', { x: 4, y: y(peer) + 8, width: 20, height: 20, rx: 4, fill: look.colour }),
      svg('text', { x: 14, y: y(peer) + 22.5, 'font-size': 12, class: 'tile-number', fill: look.ink }, look.number),
      isNarrow
        ? null
        : svg('text', { x: 30, y: y(peer) + 22.5, 'font-size': 12, class: 'ink' }, clean(nameOf(peer), 12)),
    );
  });
  const grid = ticks.map(({ x, ms }, index) => [
    svg('line', { x1: x, x2: x, y1: AXIS - 4, y2: height, class: 'grid' }),
    svg(
      'text',
      {
        x,
        y: AXIS - 9,
        'font-size': 11,
        class: 'faint',
        'text-anchor': x > width - 32 ? 'end' : index === 0 ? 'start' : 'middle',
      },
      ms === 0 ? '0' : formatTick(ms),
    ),
  ]);
  const drawnTiles = tiles.map((span) => {
    const look = looks.of(span.peer);
    const isOther = span.attempt !== attempt;
    const kind = isOther ? 'bar replaced' : span.block === block ? 'bar chosen' : 'bar';
    return svg(
      'g',
      { class: kind },
      svg('rect', { x: span.x, y: span.y, width: span.width, height: span.height, fill: look.colour, class: 'edge' }),
      span.width >= MIN_LABEL && span.height > 10
        ? svg(
            'text',
            {
              x: span.x + span.width / 2,
              y: span.y + span.height / 2 + 4,
              'font-size': 11,
              fill: look.ink,
              class: 'tile-number',
            },
            span.block + 1,
          )
        : null,
      svg(
        'title',
        {},
        `block ${span.block + 1}, tile ${span.part + 1}: ${formatMs(span.endMs - span.startMs)}, from ${formatMs(span.startMs)}`,
      ),
    );
  });
  const drawnMoves = moves.map((move) => {
    const text = `${formatBytes(move.bytes)} from ${clean(nameOf(move.from), 30)} to ${clean(nameOf(move.to), 30)}`;
    return svg(
      'g',
      { class: move.attempt === attempt ? 'move' : 'move replaced' },
      svg('rect', { ...move.out, class: 'out' }),
      svg('rect', { ...move.in, class: 'in' }),
      svg('title', {}, text),
    );
  });
  const arrows = moves
    .filter((move) => move.attempt === attempt && pieces.has(move.piece) && move.from !== move.to)
    .slice(0, MAX_ARROWS)
    .map(({ out, in: into }) =>
      svg('line', { x1: out.x + out.width, y1: out.y + 2, x2: into.x + into.width, y2: into.y + 2, class: 'arrow' }),
    );
  const drawnMarks = marks.map(({ x, y: top, what }) => {
    const isAtEdge = x > width - MARK_WIDTH;
    const place = { x: isAtEdge ? x - 3 : x + 3, 'text-anchor': isAtEdge ? 'end' : 'start' };
    return [
      svg('line', { x1: x, x2: x, y1: top, y2: top + ROW, class: 'loss' }),
      svg('text', { ...place, y: top + 14, 'font-size': 11, class: 'loss-text' }, what),
    ];
  });
  return svg(
    'svg',
    { class: 'gantt', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': title },
    ...bands,
    ...grid.flat(),
    ...drawnMoves,
    ...drawnTiles,
    ...arrows,
    ...drawnMarks.flat(),
  );
}

const formatTick = (ms) =>
  ms >= 10_000 ? `${Number((ms / 1000).toPrecision(6))} s` : `${Number(ms.toPrecision(6))} ms`;
