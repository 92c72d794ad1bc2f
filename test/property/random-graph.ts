/** Random graphs of random operators. A case is a few numbers, so that fast-check can make it smaller. */
import fc from 'fast-check';
import type { Network } from '../support/half-graph.ts';
import { Draft, floats, wholeNumbers } from './draft.ts';
import { POINTWISE } from './operators/pointwise.ts';
import { SHAPING } from './operators/shaping.ts';
import { WINDOWS } from './operators/windows.ts';
import type { Maker } from './operators/maker.ts';
import { randomOf } from './random.ts';

const MAKERS: Readonly<Record<string, Maker>> = { ...WINDOWS, ...POINTWISE, ...SHAPING };
/** Windows are what networks are made of: they come up as often as all the others together. */
const NAMES: readonly string[] = [
  ...Object.keys(POINTWISE),
  ...Object.keys(SHAPING),
  ...Array.from({ length: 3 }, () => Object.keys(WINDOWS)).flat(),
];

/** One operator: what it is, which of the values it reads, and the seed of its attributes. */
interface Gene {
  readonly maker: string;
  readonly reads: number;
  readonly seed: number;
}

export interface GraphCase {
  readonly opset: number;
  readonly seed: number;
  readonly genes: readonly Gene[];
}

export const graphCases: fc.Arbitrary<GraphCase> = fc.record({
  opset: fc.integer({ min: 7, max: 22 }),
  seed: fc.nat(2 ** 30),
  genes: fc.array(fc.record({ maker: fc.constantFrom(...NAMES), reads: fc.nat(3), seed: fc.nat(2 ** 30) }), {
    minLength: 1,
    maxLength: 9,
  }),
});

function shapeOfInput(seed: number): number[] {
  const random = randomOf(seed);
  const channels = random.pick([1, 2, 3, 4, 4, 6, 8]);
  const spatial = random.pick([1, 2, 2, 2, 2, 3]);
  const most = [0, 24, 12, 5][spatial]!;
  return [random.integer(1, 3), channels, ...Array.from({ length: spatial }, () => random.integer(2, most))];
}

/** The graph that a case describes; undefined where none of its operators found a use. */
export function buildGraph({ opset, seed, genes }: GraphCase): Network | undefined {
  const random = randomOf(seed);
  const draft = new Draft(opset, random);
  const shape = shapeOfInput(seed);
  draft.input('float32', shape);
  if (random.chance(0.3)) draft.input('float32', random.chance(0.7) ? shape : shapeOfInput(seed + 1));
  if (random.chance(0.15)) draft.input('int64', [random.integer(1, 3), random.integer(2, 9)]);
  const inputs = draft.values.length;
  for (const gene of genes) {
    draft.random = randomOf(gene.seed);
    // Mostly the newest value, so that graphs are deep; sometimes an older one, so that they have branches.
    const back = gene.reads === 3 ? gene.seed % draft.values.length : gene.reads >> 1;
    MAKERS[gene.maker]!(draft, draft.values[Math.max(0, draft.values.length - 1 - back)]!);
  }
  if (draft.values.length === inputs) return undefined;
  const { graph, blob } = draft.build();
  const tensors = graph.inputs.map(({ name, type, dims }, index) => {
    const extents = dims as readonly number[];
    return [name, type === 'int64' ? wholeNumbers(type, extents, seed, 0, 15) : floats(extents, seed + index)] as const;
  });
  return { graph, blob, inputs: new Map(tensors) };
}
