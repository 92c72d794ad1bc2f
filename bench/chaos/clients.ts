/**
 * Clients that know the addresses of all boards and nothing of what is wrong with them. A request has one id; when a board
 * refuses, cannot be reached or gives no sign of life, or no answer has come for a while, the same request goes to another
 * board as well, to one that was not asked yet while there is any. All answers to it are kept.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { uniformIntegers } from '../../models/zoo/random.ts';
import { MeshError, toMeshError, type ErrorCode } from '../../src/core/errors.ts';
import type { RequestId } from '../../src/core/ids.ts';
import type { RunReport } from '../../src/core/report.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import { ask } from '../ask.ts';
import type { Board } from '../emulation/board.ts';
import type { BenchModel } from '../model.ts';

export interface Answer {
  readonly atMs: number;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly report: RunReport;
}

/** A board that was asked. */
export interface Try {
  readonly board: string;
  readonly atMs: number;
}

/** One request, from the client's side; times of the monotonic clock. */
export interface Call {
  readonly id: RequestId;
  /** Which of the inputs. */
  readonly input: number;
  readonly startMs: number;
  /** In the order in which they came; the first is the one that counts. */
  readonly answers: readonly Answer[];
  /** Whether some board took it on, as far as its client can know: it did not refuse it and could be reached. */
  readonly isAccepted: boolean;
  /** What boards said that did not answer. */
  readonly refusals: readonly string[];
  readonly tries: readonly Try[];
}

export interface ClientOptions {
  readonly boards: () => readonly Board[];
  readonly model: BenchModel;
  readonly inputs: readonly ReadonlyMap<string, Tensor>[];
  readonly parallelism: number;
  readonly seed: number;
}

/** A board takes a request on within milliseconds: one that does not for so long is frozen, or cut off; or all are busy, so it doubles. */
const SILENCE_MS = 500;
/** A client that has waited so long asks another board, too; each time it waits twice as long, lest it keeps a busy mesh busy. */
const PATIENCE_MS = 1_000;
/** Without an answer for so long a request is lost. */
const GIVE_UP_MS = 30_000;
/** After a refusal a client waits, longer each time: clients that do not keep a busy mesh busy with refusals. */
const PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
const REFUSALS: readonly ErrorCode[] = ['OVERLOADED', 'UNAVAILABLE', 'RATE_LIMITED'];

export class Clients {
  readonly #options: ClientOptions;
  readonly #choose: (limit: number) => number;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#choose = uniformIntegers(options.seed);
  }

  /** Resolves when the request is answered, or lost, and no board is still asked. */
  async call(signal: AbortSignal): Promise<Call> {
    const { inputs, model, parallelism } = this.#options;
    const id = randomBytes(16).toString('hex') as RequestId;
    const input = this.#choose(inputs.length);
    const startMs = performance.now();
    const giveUp = AbortSignal.any([signal, AbortSignal.timeout(GIVE_UP_MS)]);
    const answers: Answer[] = [];
    const isAnswered = (): boolean => answers.length > 0;
    const refusals: string[] = [];
    let refused = 0;
    const asked: Promise<void>[] = [];
    const tries: Try[] = [];
    const first = Promise.withResolvers<undefined>();
    const tryBoard = async (board: Board, onAlive: () => void): Promise<void> => {
      try {
        const options = { parallelism, requestId: id, signal: giveUp, onAlive };
        const { outputs, report } = await ask(board, { ...model, inputs: inputs[input]! }, options);
        answers.push({ atMs: performance.now(), outputs, report });
        first.resolve(undefined);
      } catch (error) {
        const { code, message } = error instanceof MeshError ? error : toMeshError(error, 'UNAVAILABLE');
        if (REFUSALS.includes(code)) refused += 1;
        refusals.push(`${board.name}: ${code}: ${message}`);
      }
    };
    let patienceMs = PATIENCE_MS;
    let silenceMs = SILENCE_MS;
    while (!isAnswered() && !giveUp.aborted) {
      const board = this.#nextBoard(tries);
      tries.push({ board: board.name, atMs: performance.now() });
      const { promise: isAlive, resolve: onAlive } = Promise.withResolvers<void>();
      const attempt = tryBoard(board, onAlive);
      asked.push(attempt);
      const over = Promise.race([first.promise, attempt]);
      if (!(await isWithin(silenceMs, Promise.race([over, isAlive])))) silenceMs *= 2;
      else if (!(await isWithin(patienceMs, over))) patienceMs *= 2;
      const pauseMs = Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** refused);
      if (!isAnswered()) await setTimeout(pauseMs * (0.5 + Math.random()));
    }
    // A late answer must be the same. Boards that are frozen or cut off for good would keep the call for too long.
    await Promise.race([Promise.all(asked), setTimeout(GIVE_UP_MS, undefined, { ref: false })]);
    const isAccepted = isAnswered() || refused < asked.length;
    return { id, input, startMs, answers, isAccepted, refusals, tries };
  }

  /** Any that was not asked yet, or else any but the last. */
  #nextBoard(tries: readonly Try[]): Board {
    const boards = this.#options.boards();
    const unasked = boards.filter(({ name }) => tries.every(({ board }) => board !== name));
    const others = unasked.length > 0 ? unasked : boards.filter(({ name }) => name !== tries.at(-1)!.board);
    return others[this.#choose(others.length)]!;
  }

  /** Requests at even intervals, whatever becomes of those before. */
  async keepAsking(perSecond: number, forMs: number, signal: AbortSignal): Promise<readonly Call[]> {
    const startMs = performance.now();
    const calls: Promise<Call>[] = [];
    for (let dueMs = startMs; dueMs < startMs + forMs && !signal.aborted; dueMs += 1_000 / perSecond) {
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await setTimeout(waitMs, undefined, { signal }).catch(() => undefined);
      calls.push(this.call(signal));
    }
    return Promise.all(calls);
  }

  /** Requests a second that so many clients get answered, each asking again when it has its answer. */
  async capacity(clients: number, forMs: number, signal: AbortSignal): Promise<number> {
    const startMs = performance.now();
    let answered = 0;
    const client = async (): Promise<void> => {
      while (performance.now() < startMs + forMs) {
        signal.throwIfAborted();
        const { answers } = await this.call(signal);
        if (answers.length > 0) answered += 1;
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    return (answered * 1_000) / (performance.now() - startMs);
  }
}

/** Whether something happens in that time. */
async function isWithin(limitMs: number, event: Promise<unknown>): Promise<boolean> {
  const limit = new AbortController();
  const late = setTimeout(limitMs, false, { signal: limit.signal }).catch(() => false);
  try {
    return await Promise.race([event.then(() => true), late]);
  } finally {
    limit.abort();
  }
}
