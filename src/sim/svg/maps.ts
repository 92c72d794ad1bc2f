/**
 * The tensors that blocks hand on, drawn as boxes cut into the tiles that peers hold. Hatched is what peers send each other
 * of it: halos, or all of it where the next block is cut in another way.
 */
import { length, whole } from '../../core/geometry/interval.ts';
import { wholeRegion, type Region } from '../../core/geometry/region.ts';
import type { BoundGraph } from '../../core/graph/bind.ts';
import { ENTRY, type Dataflow } from '../../core/plan/dataflow.ts';
import type { PlanExplanation } from '../../core/plan/explain.ts';
import { describeCut, type Cut, type Plan } from '../../core/plan/plan.ts';
import { elementCount } from '../../core/tensor/tensor.ts';
import { element, label, tooltip } from './markup.ts';
import { peerColour } from './palette.ts';

export interface Drawing {
  readonly height: number;
  readonly markup: string;
}

/** A tensor that is drawn, of whatever source. */
export interface Figure {
  readonly tensor: string;
  /** An input of the network, which the entry holds. */
  readonly isInput: boolean;
  readonly shape: readonly number[];
  readonly cut: Cut;
  /** Participant and region of each part; null: all of it, of unknown size. */
  readonly held: readonly (readonly [number, Region])[];
  /** What peers send each other of it. */
  readonly moved: readonly Region[];
  readonly captions: readonly string[];
}

const LARGEST = 116;
const SMALLEST = 34;
const CELL_WIDTH = 168;
const CELL_HEIGHT = 212;
/** Room for a figure's name and shape. */
const HEADING = 30;
const MAX_CAPTION = 26;
/** Of the width of the largest, for those with few features. */
const LEAST_SHARE = 0.3;
const INPUT_COLOUR = '#9aa3b0';
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
  const movedOf = (tensor: string): Region[] =>
    needs.flatMap(({ tensor: own, from, to, region }) =>
      own === tensor && from !== to && region !== null ? [region] : [],
    );
  const inputs = bound.graph.inputs.map(({ name }): Figure => {
    const shape = bound.shapes.get(name)!;
    const held = [[ENTRY, wholeRegion(shape)]] as const;
    const cut = plan.blocks[0]?.cut ?? { axes: [], counts: [] };
    return { tensor: name, isInput: true, shape, cut, held, moved: movedOf(name), captions: ['input, at the entry'] };
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
      layers.length > MAX_CAPTION ? `${layers.slice(0, MAX_CAPTION - 1)}…` : layers,
      describeCut(cut),
      `${(macs / 1e9).toFixed(2)} GMAC, ${computeMs.toFixed(1)} ms`,
      `${(exchange.bytes / 1e6).toFixed(2)} MB before, ${exchange.ms.toFixed(1)} ms`,
    ];
    return { tensor, isInput: false, shape, cut, held, moved: movedOf(tensor), captions };
  });
  return [...inputs, ...outputs];
}

/** Small maps are drawn larger than they are, or nothing would be seen of them. */
const sideOf = (extent: number, largest: number): number => Math.max(SMALLEST, LARGEST * (extent / largest) ** 0.28);

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The largest extent of rows and columns, and of features, of all figures. */
interface Largest {
  readonly spatial: number;
  readonly features: number;
}

/** Where the figure stands in its cell, and where a region is in it. */
function place({ shape, cut }: Figure, { spatial, features }: Largest): { frame: Box; box: (region: Region) => Box } {
  const [across, down] = axesOf(shape, cut);
  const extents = [shape[across] ?? 1, down === undefined ? 1 : shape[down]!] as const;
  const width =
    across > 1 ? sideOf(extents[0], spatial) : LARGEST * Math.max(LEAST_SHARE, Math.sqrt(extents[0] / features));
  const height = down === undefined ? BAR_HEIGHT : sideOf(extents[1], spatial);
  const frame = { x: (CELL_WIDTH - width) / 2, y: HEADING + (LARGEST - height) / 2, width, height };
  const box = (region: Region): Box => {
    const columns = region[across] ?? whole(1);
    const rows = down === undefined ? whole(1) : region[down]!;
    return {
      x: frame.x + (columns.start / extents[0]) * width,
      y: frame.y + (rows.start / extents[1]) * height,
      width: (length(columns) / extents[0]) * width,
      height: (length(rows) / extents[1]) * height,
    };
  };
  return { frame, box };
}

function axisName({ shape, cut }: Figure): string {
  if (axesOf(shape, cut)[0] > 1) return 'columns';
  return shape.length < 3 ? 'features' : 'channels';
}

function drawFigure(figure: Figure, heading: string, names: readonly string[], largest: Largest): string {
  const { shape, held, moved, captions } = figure;
  const { frame, box } = place(figure, largest);
  const middle = CELL_WIDTH / 2;
  const tiles = held.map(([participant, region]) => {
    const isInput = participant === ENTRY;
    const fill = isInput ? INPUT_COLOUR : peerColour(participant);
    const holder = isInput ? 'coordinator' : names[participant]!;
    return element('rect', { ...box(region), class: 'edge', fill }, tooltip(holder));
  });
  // Many peers may be sent the same.
  const hatched = new Set(moved.map((region) => element('rect', { ...box(region), fill: 'url(#halo)' })));
  const text = { anchor: 'middle', kind: 'faint' } as const;
  return [
    label(middle, 14, heading, { anchor: 'middle', isBold: true }),
    label(middle, 27, shape.slice(1).join(' × '), { ...text, size: 10 }),
    ...tiles,
    ...hatched,
    element('rect', { ...frame, class: 'frame' }),
    label(middle, frame.y + frame.height + 10, axisName(figure), { ...text, size: 8 }),
    ...captions.map((caption, line) =>
      label(middle, HEADING + LARGEST + 22 + line * 12, caption, {
        ...text,
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
  return drawFigures(figuresOf(bound, plan, dataflow, explanation), plan.participants, width);
}

/** @param names of participants. */
export function drawFigures(figures: readonly Figure[], names: readonly string[], width: number): Drawing {
  const columns = Math.max(1, Math.floor(width / CELL_WIDTH));
  const largest = {
    spatial: Math.max(1, ...figures.flatMap(({ shape }) => shape.slice(2))),
    features: Math.max(1, ...figures.flatMap(({ shape }) => shape[1] ?? [])),
  };
  const inputs = figures.filter(({ isInput }) => isInput).length;
  const markup = figures.map((figure, index) => {
    const x = (index % columns) * CELL_WIDTH;
    const y = Math.floor(index / columns) * CELL_HEIGHT;
    const number = index < inputs ? '' : `${index - inputs + 1}. `;
    const heading = `${number}${figure.tensor}`.slice(0, MAX_CAPTION);
    return element('g', { transform: `translate(${x},${y})` }, drawFigure(figure, heading, names, largest));
  });
  return { height: Math.ceil(figures.length / columns) * CELL_HEIGHT, markup: markup.join('') };
}
