/** What is done to boards, and how it is undone. */
import { setTimeout } from 'node:timers/promises';
import type { Boards } from '../emulation/boards.ts';

/**
 * `kill`: SIGKILL, and started again at the end; `stop`: SIGTERM, and started again; `freeze`: SIGSTOP and SIGCONT; `unplug`:
 * the cable out and in; `partition`: several boards on a switch of their own; `throttle`: a slow cable; `slow`: a small
 * share of its core.
 */
export const FAULT_KINDS = ['kill', 'stop', 'freeze', 'unplug', 'partition', 'throttle', 'slow'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** Numbers of the boards, from 1. */
  readonly boards: readonly number[];
  readonly lastsMs: number;
}

/** A fault as it was: times of the monotonic clock. */
export interface Incident extends Fault {
  readonly fromMs: number;
  /** When it was undone, and a board that had ended was up again. */
  readonly toMs: number;
}

const SLOW_MBIT = 2;
/** Of what a board has otherwise: its share of a core, or a whole one. */
const SLOW_SHARE = 0.1;
const EXIT_TIMEOUT_MS = 20_000;
const POLL_MS = 20;

export type Undo = () => Promise<void>;

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

async function ended(pid: number): Promise<void> {
  const deadlineMs = performance.now() + EXIT_TIMEOUT_MS;
  while (isRunning(pid)) {
    if (performance.now() > deadlineMs) process.kill(pid, 'SIGKILL');
    await setTimeout(POLL_MS);
  }
}

const BEGIN: Readonly<Record<FaultKind, (boards: Boards, number: number) => Promise<Undo>>> = {
  kill: (boards, number) => endProcess(boards, number, 'SIGKILL'),
  stop: (boards, number) => endProcess(boards, number, 'SIGTERM'),
  freeze: (boards, number) => {
    const { pid } = boards.boards[number - 1]!;
    process.kill(pid, 'SIGSTOP');
    return Promise.resolve(() => Promise.resolve(void process.kill(pid, 'SIGCONT')));
  },
  unplug: async ({ network }, number) => {
    await network.connect(number, false);
    return () => network.connect(number, true);
  },
  partition: async ({ network }, number) => {
    await network.setApart(number, true);
    return () => network.setApart(number, false);
  },
  throttle: async ({ network }, number) => {
    await network.setRate(number, SLOW_MBIT);
    return () => network.setRate(number, null);
  },
  slow: async (boards, number) => {
    await boards.limitBoard(number, SLOW_SHARE * (boards.cores ?? 1));
    return () => boards.limitBoard(number, boards.cores);
  },
};

function endProcess(boards: Boards, number: number, signal: NodeJS.Signals): Promise<Undo> {
  const { pid } = boards.boards[number - 1]!;
  process.kill(pid, signal);
  const gone = ended(pid);
  return Promise.resolve(async () => {
    await gone;
    await boards.restart(number);
  });
}

/** Does it to the board of that number; what undoes it is returned, and waits until a board that had ended is up again. */
export const begin = (boards: Boards, kind: FaultKind, number: number): Promise<Undo> => BEGIN[kind](boards, number);

/** Does it, waits, and undoes it, also when `signal` cuts it short. @returns undefined when it was cut short. */
export async function suffer(boards: Boards, fault: Fault, signal: AbortSignal): Promise<Incident | undefined> {
  const fromMs = performance.now();
  const undo = await Promise.all(fault.boards.map((number) => begin(boards, fault.kind, number)));
  await setTimeout(fault.lastsMs, undefined, { signal }).catch(() => undefined);
  if (signal.aborted) {
    // Processes that have ended stay so: everything is about to end.
    if (fault.kind !== 'kill' && fault.kind !== 'stop') await Promise.all(undo.map((end) => end()));
    return undefined;
  }
  await Promise.all(undo.map((end) => end()));
  return { ...fault, fromMs, toMs: performance.now() };
}
