/** The course of a request by block, from the trace of one that nothing happened to, and moments spread over it. */
import type { RequestTrace } from '../../src/core/trace/trace.ts';

/** While tiles of a block are computed, by anybody. Milliseconds since the request arrived. */
export interface Stage {
  readonly block: number;
  /** The first node of the block. */
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

export interface Moment {
  readonly stage: Stage;
  readonly atMs: number;
}

/** Of the attempt that was answered; blocks overlap where some peers are ahead of others. */
export function stagesOf({ attempts, peers }: RequestTrace): readonly Stage[] {
  const answered = attempts.findIndex(({ outcome }) => outcome === 'answered');
  const spans = peers.flatMap(({ computed }) => computed.filter(({ attempt }) => attempt === answered));
  const byBlock = Map.groupBy(spans, ({ block }) => block);
  return [...byBlock]
    .sort(([a], [b]) => a - b)
    .map(([block, own]) => ({
      block,
      name: attempts[answered]?.plan?.blocks[block]?.nodes[0] ?? `block ${block + 1}`,
      startMs: Math.min(...own.map(({ startMs }) => startMs)),
      endMs: Math.max(...own.map(({ endMs }) => endMs)),
    }));
}

/** The last block of the first plan of which somebody had begun a tile by then, or the first one. */
export function blockAt({ peers }: RequestTrace, ms: number): number {
  const begun = peers.flatMap(({ computed }) =>
    computed.filter(({ attempt, startMs }) => attempt === 0 && startMs <= ms),
  );
  return begun.reduce((last, { block }) => Math.max(last, block), 0);
}

/** So many, alike for each stage as far as that goes, and evenly within each. */
export function momentsIn(stages: readonly Stage[], times: number): readonly Moment[] {
  const chosen = Array.from({ length: times }, (_, index) => Math.floor(((index + 0.5) * stages.length) / times));
  return chosen.map((own, index) => {
    const stage = stages[own]!;
    const rank = index - chosen.indexOf(own);
    const count = chosen.filter((other) => other === own).length;
    return { stage, atMs: stage.startMs + ((rank + 0.5) / count) * (stage.endMs - stage.startMs) };
  });
}
