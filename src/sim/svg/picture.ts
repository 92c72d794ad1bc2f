/** A plan and how it is carried out in one picture, which needs nothing from elsewhere. */
import type { BoundGraph } from '../../core/graph/bind.ts';
import { deriveDataflow } from '../../core/plan/dataflow.ts';
import type { PlanExplanation } from '../../core/plan/explain.ts';
import type { Plan } from '../../core/plan/plan.ts';
import type { Timeline } from '../timeline.ts';
import { drawGantt } from './gantt.ts';
import { drawMaps, type Drawing } from './maps.ts';
import { element, label } from './markup.ts';
import { STYLE } from './palette.ts';

export interface PictureSetup {
  readonly title: string;
  readonly subtitle: string;
  readonly bound: BoundGraph;
  readonly plan: Plan;
  readonly explanation: PlanExplanation;
  readonly timeline: Timeline;
  readonly names: readonly string[];
  /** Of the request drawn. */
  readonly fromMs: number;
  readonly toMs: number;
}

const MARGIN = 20;
/** Of drawings on a page, pixels. */
export const INNER_WIDTH = 1180;
const HEADING = 26;

const hatch = element(
  'pattern',
  { id: 'halo', width: 5, height: 5, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
  element('line', { x1: 0, y1: 0, x2: 0, y2: 5, stroke: '#000000', 'stroke-width': 1.2, 'stroke-opacity': 0.5 }),
);

const at = (y: number, markup: string): string => element('g', { transform: `translate(${MARGIN},${y})` }, markup);

export function drawPicture(setup: PictureSetup): string {
  const { title, subtitle, bound, plan, explanation, timeline, names, fromMs, toMs } = setup;
  const maps = drawMaps(bound, plan, deriveDataflow(bound, plan), explanation, INNER_WIDTH);
  const participants = plan.participants.map((peer) => names.indexOf(peer));
  const gantt = drawGantt({ timeline, names, participants, fromMs, toMs, width: INNER_WIDTH });
  return drawPage({ title, subtitle, maps, gantt, ganttTitle: 'Boards and their cables over time (simulated)' });
}

export interface PageSetup {
  readonly title: string;
  readonly subtitle: string;
  readonly maps: Drawing;
  readonly gantt: Drawing;
  readonly ganttTitle: string;
}

/** Both drawings under one another. */
export function drawPage({ title, subtitle, maps, gantt, ganttTitle }: PageSetup): string {
  const mapsTop = MARGIN + 70;
  const ganttTop = mapsTop + maps.height + HEADING;
  const height = ganttTop + gantt.height + MARGIN;
  const width = INNER_WIDTH + 2 * MARGIN;
  const legendX = MARGIN + 470;
  const legend = [
    element('rect', { x: legendX, y: ganttTop - 18, width: 22, height: 8, fill: '#6c8fc7' }),
    label(legendX + 27, ganttTop - 10, 'kernel, with the number of the block', { size: 10, kind: 'faint' }),
    element('rect', { x: legendX + 230, y: ganttTop - 16, width: 22, height: 4, class: 'out' }),
    label(legendX + 257, ganttTop - 10, 'cable out', { size: 10, kind: 'faint' }),
    element('rect', { x: legendX + 330, y: ganttTop - 16, width: 22, height: 4, class: 'in' }),
    label(legendX + 357, ganttTop - 10, 'cable in', { size: 10, kind: 'faint' }),
  ];
  const body = [
    element('style', {}, STYLE),
    element('defs', {}, hatch),
    element('rect', { x: 0, y: 0, width, height, class: 'paper' }),
    label(MARGIN, MARGIN + 14, title, { size: 18, isBold: true }),
    label(MARGIN, MARGIN + 34, subtitle, { size: 12, kind: 'faint' }),
    label(
      MARGIN,
      mapsTop - 12,
      'What each block hands on, in the colours of the peers that hold it; hatched is what they send each other of it',
      { size: 13, isBold: true },
    ),
    at(mapsTop, maps.markup),
    label(MARGIN, ganttTop - 10, ganttTitle, { size: 13, isBold: true }),
    ...legend,
    at(ganttTop, gantt.markup),
  ];
  const root = { xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${width} ${Math.ceil(height)}` };
  return `${element('svg', root, ...body)}\n`;
}
