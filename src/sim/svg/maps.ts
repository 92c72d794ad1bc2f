/**
 * The tensors that blocks hand on, drawn as boxes cut into the tiles that peers hold. Hatched is what peers send each other
 * of it: halos, or all of it where the next block is cut in another way.
 */
import { length } from '../../core/geometry/interval.ts';
import { wholeRegion, type Region } from '../../core/geometry/region.ts';
import type { BoundGraph } from '../../core/graph/bind.ts';
import { COORDINATOR, type Dataflow, type Transfer } from '../../core/plan/dataflow.ts';
import type { PlanExplanation } from '../../core/plan/explain.ts';
import { describeCut, type Cut, type Plan } from '../../core/plan/plan.ts';
import { elementCount } from '../../core/tensor/tensor.ts';
import { element, label, tooltip } from './markup.ts';
import { peerColour } from './palette.ts';

export interface Drawing {
  readonly height: number;
  readonly markup: string;
}

interface Figure {
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly cut: Cut;
  /** Participant and region of each part; null: all of it, of unknown size. */
  readonly held: readonly (readonly [number, Region])[];
  readonly moved: readonly Transfer[];
  readonly captions: readonly string[];
}

const LARGEST = 116;
const SMALLEST = 34;
const CELL_WIDTH = 168;
const CELL_HEIGHT = 212;
/** A tensor of one axis is drawn as a bar. */
const BAR_HEIGHT = 22;

/** The axes drawn from left to right and from top to bottom; undefined: there is none. */
function axesOf(shape: readonly number[], { axes }: Cut): readonly [number, number | undefined] {
  if (shape.length < 3) return [shape.length - 1, undefined];
  const across = axes.find((axis) => axis !== 2 && axis !== 0);
  return [across ?? Math.min(3, shape.length - 1), 2 < shape.length ? 2 : undefined];
}

function figuresOf(bound: BoundGraph, plan: Plan, dataflow: Dataflow, explanation: PlanExplanation): Figure[] {
  const needs = [...dataflow.tasks.flatMap((task) => task.needs), ...dataflow.outputs];
  const movedOf = (tensor: string): Transfer[] =>
    needs.filter((need) => need.tensor === tensor && need.from !== need.to && need.region !== null);
  const inputs = bound.graph.inputs.map(({ name }): Figure => {
    const shape = bound.shapes.get(name)!;
    const held = [[COORDINATOR, wholeRegion(shape)]] as const;
    const cut = plan.blocks[0]?.cut ?? { axes: [], counts: [] };
    return { tensor: name, shape, cut, held, moved: movedOf(name), captions: ['input, at the coordinator'] };
  });
  const outputs = plan.blocks.map(({ cut, parts }, index): Figure => {
    // Of several values the largest is drawn.
    const names = Object.keys(parts[0]!.outputs).filter((name) => bound.shapes.has(name));
    const [tensor = ''] = names.toSorted(
      (a, b) => elementCount(bound.shapes.get(b)!) - elementCount(bound.shapes.get(a)!),
    );
    const shape = bound.shapes.get(tensor) ?? [];
    const held = parts.flatMap(({ participant, outputs: own }) => {
      const region = own[tensor];
      return region == null ? [] : [[participant, region] as const];
    });
    const { macs, computeMs, exchange, nodes } = explanation.blocks[index]!;
    const layers = nodes.length === 1 ? nodes[0]! : `${nodes[0]!} … ${nodes.at(-1)!}`;
    const captions = [
      layers.length > 26 ? `${layers.slice(0, 25)}…` : layers,
      describeCut(cut),
      `${(macs / 1e9).toFixed(2)} GMAC, ${computeMs.toFixed(1)} ms`,
      `${(exchange.bytes / 1e6).toFixed(2)} MB before, ${exchange.ms.toFixed(1)} ms`,
    ];
    return { tensor, shape, cut, held, moved: movedOf(tensor), captions };
  });
  return [...inputs, ...outputs];
}

/** Small maps are drawn larger than they are, or nothing would be seen of them. */
const sideOf = (extent: number, largest: number): number => Math.max(SMALLEST, LARGEST * (extent / largest) ** 0.28);

function drawFigure(figure: Figure, x: number, y: number, number: number, largest: readonly [number, number]): string {
  const { shape, cut, held, moved, captions, tensor } = figure;
  const [across, down] = axesOf(shape, cut);
  const isSpatial = across > 1;
  const extentX = shape[across] ?? 1;
  const extentY = down === undefined ? 1 : shape[down]!;
  const width = isSpatial
    ? sideOf(extentX, largest[0])
    : LARGEST * Math.max(0.3, Math.sqrt(Math.min(1, extentX / largest[1])));
  const height = down === undefined ? BAR_HEIGHT : sideOf(extentY, largest[0]);
  const left = x + (CELL_WIDTH - width) / 2;
  const top = y + 30 + (LARGEST - height) / 2;
  const box = (region: Region) => {
    const columns = region[across] ?? { start: 0, end: 1 };
    const rows = down === undefined ? { start: 0, end: 1 } : region[down]!;
    return {
      x: left + (columns.start / extentX) * width,
      y: top + (rows.start / extentY) * height,
      width: (length(columns) / extentX) * width,
      height: (length(rows) / extentY) * height,
    };
  };
  const tiles = held.map(([participant, region]) =>
    element(
      'rect',
      { ...box(region), class: 'edge', fill: participant === COORDINATOR ? '#9aa3b0' : peerColour(participant) },
      tooltip(participant === COORDINATOR ? 'coordinator' : `participant ${participant + 1}`),
    ),
  );
  const seen = new Set<string>();
  const hatched = moved.flatMap(({ region }) => {
    const attributes = box(region!);
    const key = Object.values(attributes).join();
    if (seen.has(key)) return [];
    seen.add(key);
    return [element('rect', { ...attributes, fill: 'url(#halo)' })];
  });
  const axisName = isSpatial ? 'columns' : shape.length < 3 ? 'features' : 'channels';
  return [
    label(x + CELL_WIDTH / 2, y + 14, `${number === 0 ? '' : `${number}. `}${tensor}`.slice(0, 26), {
      anchor: 'middle',
      isBold: true,
    }),
    label(x + CELL_WIDTH / 2, y + 27, shape.slice(1).join(' × '), { anchor: 'middle', kind: 'faint', size: 10 }),
    ...tiles,
    ...hatched,
    element('rect', { x: left, y: top, width, height, class: 'frame' }),
    label(left + width / 2, top + height + 10, axisName, { anchor: 'middle', kind: 'faint', size: 8 }),
    ...captions.map((text, line) =>
      label(x + CELL_WIDTH / 2, y + 30 + LARGEST + 22 + line * 12, text, {
        anchor: 'middle',
        kind: line === 0 ? 'ink' : 'faint',
        size: 9.5,
      }),
    ),
  ].join('');
}

/** @param width to stay within, pixels. */
export function drawMaps(
  bound: BoundGraph,
  plan: Plan,
  dataflow: Dataflow,
  explanation: PlanExplanation,
  width: number,
): Drawing {
  const figures = figuresOf(bound, plan, dataflow, explanation);
  const columns = Math.max(1, Math.floor(width / CELL_WIDTH));
  const spatial = figures.flatMap(({ shape }) => (shape.length > 2 ? shape.slice(2) : []));
  const features = figures.flatMap(({ shape }) => shape[1] ?? []);
  const largest = [Math.max(1, ...spatial), Math.max(1, ...features)] as const;
  const inputs = bound.graph.inputs.length;
  const markup = figures.map((figure, index) => {
    const x = (index % columns) * CELL_WIDTH;
    const y = Math.floor(index / columns) * CELL_HEIGHT;
    return drawFigure(figure, x, y, Math.max(0, index - inputs + 1), largest);
  });
  return { height: Math.ceil(figures.length / columns) * CELL_HEIGHT, markup: markup.join('') };
}
