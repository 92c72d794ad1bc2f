/** Who did what when: for each board a row of its kernel, and below it what its cable carried in and out. */
import type { MessageSpan, TileSpan, Timeline } from '../timeline.ts';
import { element, label, tooltip } from './markup.ts';
import { blockColour, peerColour } from './palette.ts';
import type { Drawing } from './maps.ts';

export interface GanttSetup {
  readonly timeline: Pick<Timeline, 'tiles' | 'messages' | 'marks'>;
  /** Of all boards. */
  readonly names: readonly string[];
  /** Boards of the plan's participants, in their order: their colours are those of the maps. */
  readonly participants: readonly number[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly width: number;
}

const NAMES_WIDTH = 92;
const ROW = 24;
const COMPUTE = 13;
const CABLE = 3;
const AXIS = 26;
/** A bar this narrow has no room for its number. */
const LABEL_WIDTH = 12;
/** What is shorter is drawn so wide, or it would not be seen. */
const MIN_BAR = 0.6;
const TICKS = 10;

/** A round number of milliseconds, so that there are about `TICKS` of them. */
export function tickMs(spanMs: number): number {
  const raw = spanMs / TICKS;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw) ?? raw;
}

export function drawGantt({ timeline, names, participants, fromMs, toMs, width }: GanttSetup): Drawing {
  const isInvolved = new Set([
    ...timeline.tiles.map(({ board }) => board),
    ...timeline.messages.flatMap(({ from, to }) => [from, to]),
  ]);
  const rows = [
    ...participants,
    ...[...isInvolved].filter((board) => !participants.includes(board)).sort((a, b) => a - b),
  ];
  const rowOf = new Map(rows.map((board, row) => [board, row]));
  const scale = (width - NAMES_WIDTH - 8) / Math.max(1e-9, toMs - fromMs);
  const x = (ms: number): number => NAMES_WIDTH + (ms - fromMs) * scale;
  const y = (board: number): number => AXIS + rowOf.get(board)! * ROW;
  const bottom = AXIS + rows.length * ROW;

  const bands = rows.flatMap((board, row) => [
    ...(row % 2 === 1 ? [] : [element('rect', { x: 0, y: y(board), width, height: ROW, class: 'band' })]),
    element('rect', {
      x: 2,
      y: y(board) + 6,
      width: 10,
      height: 10,
      fill: row < participants.length ? peerColour(row) : '#9aa3b0',
    }),
    label(17, y(board) + 15, names[board]!, { size: 10.5 }),
  ]);
  const step = tickMs(toMs - fromMs);
  const ticks: string[] = [];
  for (let ms = Math.ceil(fromMs / step) * step; ms <= toMs; ms += step) {
    ticks.push(element('line', { x1: x(ms), x2: x(ms), y1: AXIS - 5, y2: bottom, class: 'line' }));
    ticks.push(
      label(x(ms), AXIS - 9, `${Number((ms - fromMs).toPrecision(6))} ms`, {
        anchor: 'middle',
        kind: 'faint',
        size: 9.5,
      }),
    );
  }
  const bar = (startMs: number, endMs: number) => ({
    x: x(startMs),
    width: Math.max(MIN_BAR, (endMs - startMs) * scale),
  });
  const tile = (span: TileSpan): string => {
    const { block, part, board, startMs, endMs } = span;
    const extent = bar(startMs, endMs);
    const rect = element(
      'rect',
      { ...extent, y: y(board) + 2, height: COMPUTE, fill: blockColour(block), class: 'edge' },
      tooltip(
        `block ${block + 1}, part ${part + 1}: ${(endMs - startMs).toFixed(1)} ms from ${(startMs - fromMs).toFixed(1)} ms`,
      ),
    );
    if (extent.width < LABEL_WIDTH) return rect;
    return (
      rect +
      element(
        'text',
        { x: extent.x + extent.width / 2, y: y(board) + 12, 'font-size': 9, 'text-anchor': 'middle', fill: '#111' },
        String(block + 1),
      )
    );
  };
  const cable = ({ from, to, sentMs, receivedMs, bytes, purpose }: MessageSpan): string => {
    const hint = tooltip(`${purpose}: ${bytes} bytes from ${names[from]!} to ${names[to]!}`);
    return [
      element('rect', { ...bar(...sentMs), y: y(from) + 16, height: CABLE, class: 'out' }, hint),
      element('rect', { ...bar(...receivedMs), y: y(to) + 20, height: CABLE, class: 'in' }, hint),
    ].join('');
  };
  const marks = timeline.marks
    .filter(({ board }) => rowOf.has(board))
    .flatMap(({ atMs, board, what }) => [
      element('line', { x1: x(atMs), x2: x(atMs), y1: y(board) - 2, y2: y(board) + ROW, class: 'loss' }),
      label(x(atMs) + 3, y(board) + 12, what, { size: 9, isBold: true }),
    ]);
  return {
    height: bottom + 4,
    markup: [...bands, ...ticks, ...timeline.tiles.map(tile), ...timeline.messages.map(cable), ...marks].join(''),
  };
}
