/**
 * One board's share of one attempt: gets ready, runs each tile when its inputs are complete, and sends what it computes
 * straight to who needs it.
 */
import { kernelMs, prepareMs } from '../core/cost/cost-model.ts';
import { ENTRY, taskKey, transferBytes, type TileTask, type Transfer } from '../core/plan/dataflow.ts';
import type { RequestId } from '../core/ids.ts';
import type { Board } from './board.ts';
import type { PreparedPlan } from './plan-book.ts';
import { choose } from './random.ts';
import { CONTROL_BYTES, type World } from './world.ts';

export interface ExecutionSetup {
  readonly world: World;
  readonly board: Board;
  readonly coordinator: Board;
  readonly entry: Board;
  readonly request: number;
  readonly requestId: RequestId;
  readonly attempt: number;
  readonly prepared: PreparedPlan;
  /** The boards of the plan's participants. */
  readonly participants: readonly Board[];
  /** Whether everything is in place already, as it is for a plan that has been used before. */
  readonly isWarm: boolean;
  /** A piece is handed over to the tile, or the entry, that waits for it. */
  readonly deliver: (transfer: Transfer, to: Board) => void;
  readonly onReady: () => void;
  readonly onFinished: () => void;
}

/** Boards that missing weights are fetched from at a time. */
const SOURCES = 4;

interface Waiting {
  readonly task: TileTask;
  missing: number;
}

export class Execution {
  readonly #setup: ExecutionSetup;
  readonly #waiting = new Map<string, Waiting>();
  readonly #tasks: readonly TileTask[];
  #tilesLeft: number;
  #isDropped = false;

  constructor(setup: ExecutionSetup) {
    this.#setup = setup;
    const { prepared, participants, board } = setup;
    this.#tasks = prepared.dataflow.tasks.filter((task) => participants[task.participant] === board);
    for (const task of this.#tasks) {
      this.#waiting.set(taskKey(task.block, task.part), { task, missing: task.needs.length });
    }
    this.#tilesLeft = this.#tasks.length;
  }

  /** Nothing that happens to it any more counts. */
  drop(): void {
    this.#isDropped = true;
    this.#setup.board.release(this.#setup.requestId, this);
  }

  /** Fetches the weights that are missing, has the programs that are missing made, and says so. */
  prepare(): void {
    const { world, board, prepared, isWarm } = this.#setup;
    const { graph } = world.plans.options.bound;
    let missingBytes = 0;
    let workMs = 0;
    for (const task of this.#tasks) {
      const demand = prepared.demand(task);
      const key = this.#programKey(task);
      if (!isWarm && !board.readiness.hasProgram(key)) {
        missingBytes += board.readiness.missingBytes(demand, graph);
        workMs += prepareMs(demand) * board.model.slowness;
      }
      board.readiness.add(key, demand);
    }
    this.#fetch(missingBytes, () => {
      if (workMs === 0) this.#ready();
      else board.compute(workMs, () => this.#ready());
    });
  }

  #programKey({ block, part }: TileTask): string {
    const { first, last, parts } = this.#setup.prepared.plan.blocks[block]!;
    return JSON.stringify([first, last, parts[part]!.outputs]);
  }

  #ready(): void {
    if (this.#isDropped) return;
    this.#tell(this.#setup.onReady);
    if (this.#tilesLeft === 0) this.#finish();
  }

  #fetch(missingBytes: number, onDone: () => void): void {
    const { world, board, request, attempt } = this.#setup;
    const others = world.members().filter((other) => other !== board);
    const share = Math.max(0, 1 - world.settings.weightCopies / world.boards.length);
    const bytes = Math.round((missingBytes * share) / SOURCES);
    if (bytes === 0 || others.length === 0) {
      onDone();
      return;
    }
    let open = SOURCES;
    for (let index = 0; index < SOURCES; index++) {
      const draw = (world.indexOf(board) * SOURCES + index) * 1000 + attempt;
      const source = choose(others, world.settings.seed, 'source', draw);
      world.send(board, source, { request, purpose: 'control', bytes: CONTROL_BYTES }, () =>
        world.send(source, board, { request, purpose: 'weights', bytes }, () => {
          open -= 1;
          if (open === 0) onDone();
        }),
      );
    }
  }

  #tell(onTold: () => void, bytes = CONTROL_BYTES): void {
    const { world, board, coordinator, request } = this.#setup;
    world.send(board, coordinator, { request, purpose: 'control', bytes }, onTold);
  }

  accept({ block, part }: Transfer): void {
    const key = taskKey(block, part);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined || this.#isDropped) return;
    waiting.missing -= 1;
    if (waiting.missing > 0) return;
    this.#waiting.delete(key);
    this.#run(waiting.task);
  }

  #run(task: TileTask): void {
    const { world, board, prepared, request, attempt } = this.#setup;
    const { kernelMacsPerSecond, overheads } = board.model;
    const { block, part } = task;
    board.script.run(overheads.tileMs / 2, () => {
      if (this.#isDropped) return;
      board.compute(kernelMs(kernelMacsPerSecond, prepared.demand(task)), (startMs, lane) => {
        const span = { request, attempt, board: world.indexOf(board), lane, block, part };
        world.timeline.tile({ ...span, startMs, endMs: world.queue.nowMs });
        board.script.run(overheads.tileMs / 2, () => this.#computed(task));
      });
    });
  }

  #computed({ block, part }: TileTask): void {
    if (this.#isDropped) return;
    const { prepared } = this.#setup;
    const transfers = prepared.dataflow.sends.get(taskKey(block, part)) ?? [];
    for (const transfer of transfers) this.#send(transfer);
    this.#tilesLeft -= 1;
    if (this.#tilesLeft === 0) this.#finish();
  }

  #send(transfer: Transfer): void {
    const { world, board, entry, participants, request, deliver } = this.#setup;
    const to = transfer.to === ENTRY ? entry : participants[transfer.to]!;
    // What stays here is taken in before anything is written.
    if (to === board) {
      deliver(transfer, to);
      return;
    }
    const bytes = transferBytes(world.plans.options.bound, transfer) + CONTROL_BYTES;
    const purpose = transfer.to === ENTRY ? 'output' : 'piece';
    const { block, part } = transfer;
    world.send(board, to, { request, purpose, bytes, block, part }, () => deliver(transfer, to));
  }

  #finish(): void {
    this.#setup.board.release(this.#setup.requestId, this);
    this.#tell(this.#setup.onFinished, CONTROL_BYTES * this.#tasks.length);
  }
}
