/**
 * `recovery`: what a request takes longer when a board that has a part in it is killed, frozen or slowed down, at moments
 * spread over all blocks of the network.
 */
import { MeshError } from '../../src/core/errors.ts';
import { ask, checkAnswer, requestIdFor } from '../ask.ts';
import type { BenchContext } from '../context.ts';
import { prepareMachine } from '../emulation/boards.ts';
import { startMetronomes } from '../emulation/metronome.ts';
import { raiseMesh } from '../emulation/raise-mesh.ts';
import { measureCoreSpeed } from '../measure/core-speed.ts';
import { describeMachine, watchLoad, type Load, type Machine } from '../measure/machine.ts';
import { summarise, type Summary } from '../measure/statistics.ts';
import type { Answers } from '../report.ts';
import { prepareSubject, type SubjectOptions } from '../subject.ts';
import { momentsIn, stagesOf, type Stage } from './stages.ts';
import { ROLES, runTrial, traceOf, type RecoveryKind, type Role, type Trial, type TrialMesh } from './trial.ts';

export interface RecoveryOptions extends SubjectOptions {
  /** At least three: a victim, an entry, and another one. */
  readonly peers: number;
  /** Share of a core of each board. */
  readonly cpu: number;
  /** Megabits a second, each way. */
  readonly link: number;
  /** How often each kind of fault happens to each role. */
  readonly times: number;
  readonly fault: readonly RecoveryKind[];
  /** 0: the planner's choice. */
  readonly parallelism: number;
}

/** All trials of one kind of fault in one role. */
export interface Recovery {
  readonly kind: RecoveryKind;
  readonly role: Role;
  readonly trials: number;
  /** Requests that were not answered. */
  readonly lost: number;
  /** What the others took beyond what was usual just before; null where none was answered. */
  readonly addedMs: Summary | null;
  /** Means of those that were answered. */
  readonly terms: number;
  readonly attempts: number;
  readonly finishedTiles: number;
  readonly reusedTiles: number;
  /** Trials of which it cannot be told what was reused. */
  readonly untold: number;
  /** Boards that were members again within a minute. */
  readonly returned: number;
  readonly memberAgainMs: Summary | null;
}

export interface RecoveryResult {
  readonly schema: 'tilemesh.bench.recovery/1';
  readonly machine: Machine;
  readonly setting: RecoveryOptions & { readonly macsPerCoreSecond: number };
  /** At the client; one request before each trial, and some before the first. */
  readonly undisturbedMs: Summary;
  readonly stages: readonly Stage[];
  readonly recoveries: readonly Recovery[];
  readonly trials: readonly Trial[];
  /** Requests that were not hit as meant, and were asked again. */
  readonly missed: number;
  readonly answers: Answers;
  readonly load: Load;
}

const MIN_BOARDS = 3;
const UNDISTURBED = 8;
/** Requests after the shares of a core are enforced that do not count. */
const PRACTICE = 2;
/** A request that ends before its moment, or is coordinated by another board, is asked again. */
const MAX_TRIES = 12;
/** What is usual, and its course, follows from so many undisturbed requests before: a machine is not always as fast. */
const LATELY = 5;

export async function measureRecovery(options: RecoveryOptions, context: BenchContext): Promise<RecoveryResult> {
  const { cleanUp, signal, progress } = context;
  if (options.peers < MIN_BOARDS) {
    throw new MeshError('INVALID_ARGUMENT', `--peers ${options.peers}: it takes at least ${MIN_BOARDS} boards`);
  }
  await prepareMachine(cleanUp);
  await startMetronomes(cleanUp);
  const subject = await prepareSubject(options, context);
  const macsPerCoreSecond = await measureCoreSpeed(signal);
  const { peers: count, cpu: cores, link: linkMbit, parallelism, times } = options;
  const { boards } = await raiseMesh({ count, cores, linkMbit, parallelism, macsPerCoreSecond }, subject, context);
  const mesh: TrialMesh = { boards, subject, parallelism, signal };
  const loadOf = await watchLoad();
  const undisturbed: { readonly tookMs: number; readonly stages: readonly Stage[] }[] = [];
  const differences: number[] = [];
  let turn = 0;
  const askUndisturbed = async (isCounted: boolean): Promise<void> => {
    turn += 1;
    const [entry, coordinator] = [turn, turn + 1].map((index) => boards.boards[index % count]!);
    const requestId = requestIdFor(
      coordinator!.id,
      boards.boards.map(({ id }) => id),
    );
    const reply = await ask(entry!, subject.model, { parallelism, requestId, signal });
    differences.push(checkAnswer(subject.expected, reply));
    const { term, attempts } = reply.report;
    if (!isCounted || term > 1 || attempts > 1) return;
    undisturbed.push({ tookMs: reply.clientMs, stages: stagesOf(await traceOf(entry!, requestId, signal)) });
  };
  for (let index = 0; index < PRACTICE + UNDISTURBED; index++) {
    progress(`request ${index + 1} of ${PRACTICE + UNDISTURBED} that nothing happens to`);
    await askUndisturbed(index >= PRACTICE);
  }
  const trials: Trial[] = [];
  let missed = 0;
  for (const kind of options.fault) {
    for (const role of ROLES) {
      for (let index = 0; index < times; index++) {
        for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
          progress(`${kind} of the ${role}, ${index + 1} of ${times}`);
          await askUndisturbed(true);
          const { stages, tookMs } = typical(undisturbed.slice(-LATELY));
          const trial = await runTrial(mesh, kind, role, momentsIn(stages, times)[index]!, tookMs, turn);
          if (trial !== undefined) {
            trials.push(trial);
            break;
          }
          missed += 1;
        }
      }
    }
  }
  differences.push(...trials.flatMap(({ difference }) => (difference === null ? [] : [difference])));
  return {
    schema: 'tilemesh.bench.recovery/1',
    machine: describeMachine(),
    setting: { ...options, macsPerCoreSecond },
    undisturbedMs: summarise(undisturbed.map(({ tookMs }) => tookMs)),
    stages: typical(undisturbed).stages,
    recoveries: options.fault.flatMap((kind) =>
      ROLES.flatMap((role) => {
        const own = trials.filter((trial) => trial.kind === kind && trial.role === role);
        return own.length === 0 ? [] : [sumUp(own)];
      }),
    ),
    trials,
    missed,
    answers: {
      checked: differences.length,
      largestDifference: Math.max(...differences),
      tolerance: subject.expected.tolerance,
    },
    load: await loadOf(),
  };
}

/** The request whose time is the median. @throws MeshError UNAVAILABLE where each was planned again. */
function typical<Request extends { readonly tookMs: number }>(requests: readonly Request[]): Request {
  const sorted = requests.toSorted((a, b) => a.tookMs - b.tookMs);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle !== undefined) return middle;
  const message =
    'no request was answered by its first plan although nothing was wrong: use fewer boards, or larger shares';
  throw new MeshError('UNAVAILABLE', message);
}

const summariseSome = (values: readonly number[]): Summary | null => (values.length === 0 ? null : summarise(values));

/** @param trials of one kind and role, at least one. */
export function sumUp(trials: readonly Trial[]): Recovery {
  const { kind, role } = trials[0]!;
  const answered = trials.filter(({ latencyMs }) => latencyMs !== null);
  const told = trials.flatMap(({ reuse }) => (reuse === null ? [] : [reuse]));
  const againMs = trials.flatMap(({ memberAgainMs }) => (memberAgainMs === null ? [] : [memberAgainMs]));
  const meanOf = (of: (trial: Trial) => number): number =>
    answered.reduce((sum, trial) => sum + of(trial), 0) / Math.max(1, answered.length);
  return {
    kind,
    role,
    trials: trials.length,
    lost: trials.length - answered.length,
    addedMs: summariseSome(answered.map(({ latencyMs, usualMs }) => latencyMs! - usualMs)),
    terms: meanOf(({ term }) => term),
    attempts: meanOf(({ attempts }) => attempts),
    finishedTiles: told.reduce((sum, { finished }) => sum + finished, 0),
    reusedTiles: told.reduce((sum, { reused }) => sum + reused, 0),
    untold: trials.length - told.length,
    returned: againMs.length,
    memberAgainMs: summariseSome(againMs),
  };
}

/** What must not be, in one line; undefined when all is well. */
export function recoveryFailure({ trials, setting, recoveries }: RecoveryResult): string | undefined {
  const lost = trials.filter(({ failure }) => failure !== null);
  const away = trials.filter(({ memberAgainMs }) => memberAgainMs === null);
  const wanted = setting.times * ROLES.length * setting.fault.length;
  if (lost.length > 0) return `${lost.length} of ${trials.length} requests were not answered: ${lost[0]!.failure}`;
  if (away.length > 0) return `${away.length} of ${trials.length} boards were not members again within a minute`;
  if (trials.length === wanted) return undefined;
  const counts = recoveries.map(({ kind, role, trials: count }) => `${kind} of the ${role} ${count}`).join(', ');
  return `only ${trials.length} of ${wanted} requests were hit as meant: ${counts || 'none'}`;
}
