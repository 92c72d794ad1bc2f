/**
 * A mesh of emulated boards as it is after a day's work: connected, weights checked, every plan made, sessions open, idle,
 * and from then on held to its shares of a core.
 */
import { join } from 'node:path';
import { ask, checkAnswer, requestIdFor } from '../ask.ts';
import type { BenchContext } from '../context.ts';
import type { Subject } from '../subject.ts';
import { Boards, type BoardsOptions } from './boards.ts';

export interface MeshOptions extends Omit<BoardsOptions, 'model'> {
  /** How requests will ask to be cut; 0: the planner's choice. */
  readonly parallelism: number;
}

export interface RaisedMesh {
  readonly boards: Boards;
  /** From the start of the last board until all knew each other. */
  readonly formedMs: number;
}

/** After `prepareMachine`. */
export async function raiseMesh(options: MeshOptions, subject: Subject, context: BenchContext): Promise<RaisedMesh> {
  const { folder, cleanUp, signal, progress } = context;
  progress(`starting ${options.count} boards`);
  const place = join(folder, `mesh-of-${options.count}`);
  const boards = await Boards.start({ ...options, model: subject.model }, place, cleanUp, signal);
  progress('boards look for each other');
  const formedMs = await boards.formMesh(signal);
  await warmUp(boards, subject, options.parallelism, context);
  progress('waiting until the boards are idle');
  await boards.settle(signal);
  await boards.limit();
  return { boards, formedMs };
}

/** Raises a mesh for as long as `work` takes. */
export async function withMesh<Result>(
  options: MeshOptions,
  subject: Subject,
  context: BenchContext,
  work: (mesh: RaisedMesh) => Promise<Result>,
): Promise<Result> {
  await using cleanUp = new AsyncDisposableStack();
  return await work(await raiseMesh(options, subject, { ...context, cleanUp }));
}

/** Speeds that boards have just told each other may sway an election; then it is tried again. */
const MAX_TRIES = 8;
/** Requests after that: the engine compiles what it has run often, and a mesh that has worked for a day has run everything often. */
const WARM_REQUESTS = 96;

/** One request for each board as its coordinator, entering at the next one, and then many more. The shares of a core are not enforced. */
async function warmUp(
  boards: Boards,
  { model, expected }: Subject,
  parallelism: number,
  { signal, progress }: BenchContext,
): Promise<void> {
  const peers = boards.boards.map(({ id }) => id);
  for (const [index, { id, name }] of boards.boards.entries()) {
    const entry = boards.boards[(index + 1) % peers.length]!;
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      progress(`warming up: ${name} coordinates`);
      const reply = await ask(entry, model, { parallelism, requestId: requestIdFor(id, peers), signal });
      checkAnswer(expected, reply);
      if (reply.report.coordinator === id) break;
    }
  }
  for (let turn = 0; turn < WARM_REQUESTS; turn++) {
    progress(`warming up: request ${turn + 1} of ${WARM_REQUESTS}`);
    checkAnswer(expected, await ask(boards.boards[turn % peers.length]!, model, { parallelism, signal }));
  }
}
