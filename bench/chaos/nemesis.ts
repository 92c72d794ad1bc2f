/** Chooses what goes wrong next: the same for the same seed, but for what is still wrong by then. */
import { setTimeout } from 'node:timers/promises';
import { uniformIntegers } from '../../models/zoo/random.ts';
import type { Boards } from '../emulation/boards.ts';
import { FAULT_KINDS, suffer, type Fault, type FaultKind, type Incident } from './faults.ts';

export interface NemesisOptions {
  readonly kinds: readonly FaultKind[];
  readonly everyMs: number;
  readonly forMs: number;
  readonly seed: number;
}

const SHORTEST_MS = 500;
const LONGEST_MS = 5_000;

/** Boards that may be in trouble at once: the others are more than twice as many. */
export const maxTroubled = (peers: number): number => Math.floor((peers - 1) / 3);

/** @param healthy numbers of boards that nothing is wrong with. @param room for how many more may something go wrong. */
export function nextFault(
  choose: (limit: number) => number,
  kinds: readonly FaultKind[],
  healthy: readonly number[],
  room: number,
): Fault | undefined {
  const kind = kinds[choose(kinds.length)]!;
  const lastsMs = SHORTEST_MS + choose(LONGEST_MS - SHORTEST_MS);
  const count = kind === 'partition' ? 1 + choose(Math.max(1, room)) : 1;
  if (room < count || healthy.length === 0) return undefined;
  const left = [...healthy];
  const boards = Array.from({ length: count }, () => left.splice(choose(left.length), 1)[0]!);
  return { kind, boards, lastsMs };
}

/** Sees to it that something goes wrong again and again; returns what did, when all of it has been undone. */
export async function haunt(
  boards: Boards,
  { kinds, everyMs, forMs, seed }: NemesisOptions,
  signal: AbortSignal,
  onFault: (fault: Fault) => void,
): Promise<readonly Incident[]> {
  const choose = uniformIntegers(seed);
  const troubled = new Set<number>();
  const numbers = boards.boards.map((_, index) => index + 1);
  const allowed = kinds.length === 0 ? FAULT_KINDS : kinds;
  const running: Promise<Incident | undefined>[] = [];
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs && !signal.aborted) {
    await setTimeout(everyMs, undefined, { signal }).catch(() => undefined);
    const healthy = numbers.filter((number) => !troubled.has(number));
    const fault = nextFault(choose, allowed, healthy, maxTroubled(numbers.length) - troubled.size);
    if (fault === undefined) continue;
    onFault(fault);
    for (const number of fault.boards) troubled.add(number);
    running.push(
      suffer(boards, fault, signal).finally(() => {
        for (const number of fault.boards) troubled.delete(number);
      }),
    );
  }
  const incidents = await Promise.all(running);
  return incidents.filter((incident) => incident !== undefined);
}
