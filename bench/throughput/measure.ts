/**
 * `throughput`: how many requests a mesh of emulated boards answers in a while, and how long each waits, as more clients ask
 * at once. Each client sends its next request when it has the answer to the one before, to the next board in turn.
 */
import { ask, checkAnswer } from '../ask.ts';
import type { BenchContext } from '../context.ts';
import { prepareMachine, type Boards } from '../emulation/boards.ts';
import { startMetronomes } from '../emulation/metronome.ts';
import { withMesh } from '../emulation/raise-mesh.ts';
import { watch } from '../emulation/watch.ts';
import { toMeshError, type ErrorCode } from '../../src/core/errors.ts';
import { measureCoreSpeed } from '../measure/core-speed.ts';
import { describeMachine, type Load, type Machine } from '../measure/machine.ts';
import { sum, summarise, type Summary } from '../measure/statistics.ts';
import type { Answers } from '../report.ts';
import { prepareSubject, type Subject, type SubjectOptions } from '../subject.ts';

export interface ThroughputOptions extends SubjectOptions {
  readonly peers: number;
  /** Share of a core of each board. */
  readonly cpu: number;
  /** Megabits a second, each way. */
  readonly link: number;
  /** Numbers of clients, tried one after the other. */
  readonly clients: readonly number[];
  /** How long each number is kept up. */
  readonly seconds: number;
  /** 0: the planner's choice. */
  readonly parallelism: number;
}

export interface Offer {
  readonly clients: number;
  readonly answered: number;
  readonly perSecond: number;
  /** At the client. Null where nothing was answered. */
  readonly latencyMs: Summary | null;
  /** Requests that were refused or failed, by the code of the failure. */
  readonly failures: Readonly<Partial<Record<ErrorCode, number>>>;
  /** Share of what the boards may take that they took. */
  readonly busy: number;
  readonly load: Load;
}

export interface ThroughputResult {
  readonly schema: 'tilemesh.bench.throughput/1';
  readonly machine: Machine;
  readonly setting: ThroughputOptions;
  /** One board alone. */
  readonly one: readonly Offer[];
  readonly mesh: readonly Offer[];
  /** Most requests a second of the mesh by those of one board. */
  readonly gain: number;
  /** The same by the number of boards. */
  readonly efficiency: number;
  readonly answers: Answers;
}

/** A client that was refused asks again after this. */
const PAUSE_AFTER_FAILURE_MS = 100;

interface Served {
  readonly latenciesMs: readonly number[];
  readonly failures: Readonly<Partial<Record<ErrorCode, number>>>;
}

export async function measureThroughput(options: ThroughputOptions, context: BenchContext): Promise<ThroughputResult> {
  const { cleanUp, signal, progress } = context;
  await prepareMachine(cleanUp);
  await startMetronomes(cleanUp);
  const subject = await prepareSubject(options, context);
  const macsPerCoreSecond = await measureCoreSpeed(signal);
  const differences: number[] = [];

  const offerAll = (count: number): Promise<readonly Offer[]> =>
    withMesh(
      {
        count,
        cores: options.cpu,
        linkMbit: options.link,
        macsPerCoreSecond,
        parallelism: Math.min(count, options.parallelism),
      },
      subject,
      context,
      async ({ boards }) => {
        const offers: Offer[] = [];
        for (const clients of options.clients) {
          progress(`${count} boards, ${clients} clients`);
          const parallelism = Math.min(count, options.parallelism);
          const { result, use } = await watch(boards, () =>
            serve(boards, subject, { clients, parallelism, seconds: options.seconds, signal, differences }),
          );
          const { latenciesMs, failures } = result;
          offers.push({
            clients,
            answered: latenciesMs.length,
            perSecond: (1000 * latenciesMs.length) / use.spanMs,
            latencyMs: latenciesMs.length > 0 ? summarise(latenciesMs) : null,
            failures,
            busy: sum(use.boards.map(({ cpuMs }) => cpuMs)) / (use.spanMs * options.cpu * count),
            load: use.load,
          });
        }
        return offers;
      },
    );

  const one = await offerAll(1);
  const mesh = await offerAll(options.peers);
  const most = (offers: readonly Offer[]): number => Math.max(...offers.map(({ perSecond }) => perSecond));
  const gain = most(mesh) / most(one);
  return {
    schema: 'tilemesh.bench.throughput/1',
    machine: describeMachine(),
    setting: options,
    one,
    mesh,
    gain,
    efficiency: gain / options.peers,
    answers: {
      checked: differences.length,
      largestDifference: Math.max(...differences),
      tolerance: subject.expected.tolerance,
    },
  };
}

interface ServeOptions {
  readonly clients: number;
  readonly parallelism: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** Takes how far each answer is from the whole model's. */
  readonly differences: number[];
}

/** Requests that are under way when the time is over are waited for, and count. */
async function serve(boards: Boards, { model, expected }: Subject, options: ServeOptions): Promise<Served> {
  const { clients, parallelism, seconds, signal, differences } = options;
  const latenciesMs: number[] = [];
  const failures: Partial<Record<ErrorCode, number>> = {};
  const endMs = performance.now() + seconds * 1000;
  let turn = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const entry = boards.boards[turn++ % boards.boards.length]!;
      const reply = await ask(entry, model, { parallelism, signal }).catch(async (error: unknown) => {
        signal.throwIfAborted();
        const { code } = toMeshError(error);
        failures[code] = (failures[code] ?? 0) + 1;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_AFTER_FAILURE_MS));
        return undefined;
      });
      if (reply === undefined) continue;
      differences.push(checkAnswer(expected, reply));
      latenciesMs.push(reply.clientMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { latenciesMs, failures };
}
