/** The result of `fidelity` as a picture: how many times faster meshes of several sizes are than one board. */
import { element, label, tooltip } from '../../src/sim/svg/markup.ts';
import { formatCores } from '../report.ts';
import type { FidelityResult } from './result.ts';

const WIDTH = 720;
const HEIGHT = 420;
const EDGES = { left: 60, right: 150, top: 60, bottom: 50 };
const INK = '#1f2328';
const GREY = '#8c959f';
/** Colours that people who see fewer tell apart (Okabe and Ito 2008). */
const COLOURS = { measured: '#0072b2', simulated: '#e69f00', even: GREY } as const;
const TEXT = { 'font-family': 'sans-serif' };

type Point = readonly [boards: number, times: number];

interface Series {
  readonly name: string;
  readonly colour: string;
  readonly isDashed: boolean;
  readonly points: readonly Point[];
}

export function drawFidelity({ setting, sizes, wholeMs }: FidelityResult): string {
  const most = Math.max(...sizes.map(({ peers }) => peers));
  const series: readonly Series[] = [
    {
      name: 'even shares',
      colour: COLOURS.even,
      isDashed: true,
      points: [
        [1, 1],
        [most, most],
      ],
    },
    {
      name: 'simulated',
      colour: COLOURS.simulated,
      isDashed: true,
      points: sizes.map(({ peers, simulatedMs }) => [peers, wholeMs / simulatedMs]),
    },
    {
      name: 'measured',
      colour: COLOURS.measured,
      isDashed: false,
      points: sizes.map(({ peers, measuredMs }) => [peers, wholeMs / measuredMs.median]),
    },
  ];
  const highest = Math.max(...series.slice(1).flatMap(({ points }) => points.map(([, times]) => times))) * 1.25;
  const x = (boards: number): number => EDGES.left + ((WIDTH - EDGES.left - EDGES.right) * boards) / most;
  const y = (times: number): number => HEIGHT - EDGES.bottom - ((HEIGHT - EDGES.top - EDGES.bottom) * times) / highest;
  const subtitle = `boards of ${formatCores(setting.cpu)} each, ${setting.link} Mbit/s, against ONNX Runtime on one of them`;
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      width: WIDTH,
      height: HEIGHT,
      role: 'img',
      ...TEXT,
    },
    tooltip(`${setting.model}: times as fast as one board`),
    element('rect', { width: WIDTH, height: HEIGHT, fill: '#ffffff' }),
    label(EDGES.left, 24, `${setting.model}: times as fast as one board`, { size: 16, isBold: true }),
    label(EDGES.left, 44, subtitle, { size: 12 }),
    ...axes(
      x,
      y,
      sizes.map(({ peers }) => peers),
      highest,
    ),
    ...series.map((one) => drawSeries(one, x, y, highest)),
  );
}

function axes(
  x: (boards: number) => number,
  y: (times: number) => number,
  sizes: readonly number[],
  highest: number,
): string[] {
  const step = highest > 12 ? 4 : highest > 6 ? 2 : 1;
  const right = WIDTH - EDGES.right;
  const lines = Array.from({ length: Math.floor(highest / step) + 1 }, (_, index) => index * step);
  return [
    ...lines.flatMap((times) => [
      element('line', { x1: EDGES.left, x2: right, y1: y(times), y2: y(times), stroke: '#d0d7de' }),
      label(EDGES.left - 8, y(times) + 4, `${times}x`, { size: 12, anchor: 'end' }),
    ]),
    ...sizes.map((boards) =>
      label(x(boards), HEIGHT - EDGES.bottom + 20, String(boards), { size: 12, anchor: 'middle' }),
    ),
    label((EDGES.left + right) / 2, HEIGHT - 10, 'boards', { size: 12, anchor: 'middle' }),
  ];
}

function drawSeries(
  { name, colour, isDashed, points }: Series,
  x: (boards: number) => number,
  y: (times: number) => number,
  highest: number,
): string {
  const seen = points.map((point) => clipped(point, highest));
  const path = seen.map(([boards, times], index) => `${index === 0 ? 'M' : 'L'}${x(boards)} ${y(times)}`).join('');
  const [endBoards, endTimes] = seen.at(-1)!;
  return [
    element('path', {
      d: path,
      fill: 'none',
      stroke: colour,
      'stroke-width': 2,
      'stroke-dasharray': isDashed ? '6 4' : 'none',
    }),
    ...(isDashed
      ? []
      : seen.map(([boards, times]) => element('circle', { cx: x(boards), cy: y(times), r: 4, fill: colour }))),
    element(
      'text',
      { x: x(endBoards) + 8, y: y(endTimes) + 4, 'font-size': 12, fill: colour === GREY ? INK : colour },
      name,
    ),
  ].join('');
}

/** Even shares leave the picture. */
const clipped = ([boards, times]: Point, highest: number): Point =>
  times <= highest ? [boards, times] : [(boards * highest) / times, highest];
