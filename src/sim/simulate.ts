/**
 * A seeded discrete-event simulation of a mesh: the same plans, dataflow, election and fencing as the real one, over models
 * of boards and of the network. The same scenario gives the same report, to the last digit.
 */
import type { LinkProfile } from '../core/cost/cost-model.ts';
import { MeshError } from '../core/errors.ts';
import { asPeerId } from '../core/ids.ts';
import { Board, type BoardModel } from './board.ts';
import { EventQueue } from './event-queue.ts';
import { PlanBook, type PlanBookOptions, type PreparedPlan } from './plan-book.ts';
import { OwnCores } from './processor.ts';
import { exponential, uniform } from './random.ts';
import { Request, type RequestOutcome } from './request.ts';
import { SharedCores } from './shared-cores.ts';
import { Timeline } from './timeline.ts';
import { SETTINGS, World, type Settings } from './world.ts';

export type Workload =
  /** One request after another. */
  | { readonly kind: 'requests'; readonly count: number }
  /** Requests come on their own (a Poisson process). */
  | { readonly kind: 'open'; readonly requestsPerSecond: number; readonly seconds: number }
  /** Clients that ask again as soon as they are answered. */
  | { readonly kind: 'closed'; readonly clients: number; readonly seconds: number };

export interface Kill {
  /** Index of a board, or whoever coordinates the first request that is in hand then. */
  readonly board: number | 'coordinator';
  readonly atMs: number;
}

export interface Scenario extends PlanBookOptions {
  readonly boards: readonly BoardModel[];
  /** The cable of each board. What plans are made for is in `link`. */
  readonly cable: LinkProfile;
  readonly workload: Workload;
  readonly kills?: readonly Kill[];
  /** Cores of the machine that emulated boards share. */
  readonly sharedCores?: number;
  readonly settings?: Partial<Settings>;
  /** Without heartbeats boards have nothing to do but requests. */
  readonly hasHeartbeats?: boolean;
  /** Requests to keep in detail. */
  readonly detailed?: number;
}

export interface BoardUsage {
  readonly name: string;
  readonly board: string;
  readonly isDead: boolean;
  /** Inside the kernel. */
  readonly kernelMs: number;
  /** JavaScript. */
  readonly scriptMs: number;
  readonly linkInMs: number;
  readonly linkOutMs: number;
}

export interface SimulationResult {
  readonly requests: readonly RequestOutcome[];
  /** From the first arrival to the last end. */
  readonly elapsedMs: number;
  readonly boards: readonly BoardUsage[];
  readonly timeline: Timeline;
  /** Made first, while all boards were there. */
  readonly planned: PreparedPlan | undefined;
  /** By which the first answer came about. */
  readonly prepared: PreparedPlan | undefined;
}

/** Longest that may be simulated beyond the end of the workload. */
const GRACE_MS = 120_000;
const MAX_REQUESTS = 100_000;

export const boardName = (index: number): string => `board-${String(index + 1).padStart(2, '0')}`;

function createBoards({ boards, cable, sharedCores = 1 }: Scenario, queue: EventQueue, seed: number): Board[] {
  const own = new OwnCores(queue);
  const shared = new SharedCores(queue, sharedCores);
  return boards.map((model, index) => {
    const { quota } = model;
    const cores = quota === undefined ? own : shared.group(quota, (uniform(seed, 'phase', index) - 1) * quota.periodMs);
    return new Board(asPeerId(boardName(index)), model, cable, cores);
  });
}

/** Starts requests and keeps what becomes of them. */
class Workshop {
  readonly outcomes: RequestOutcome[] = [];
  readonly #world: World;
  readonly #inHand = new Set<Request>();
  prepared: PreparedPlan | undefined;
  #started = 0;
  #isClosed = false;

  constructor(world: World) {
    this.#world = world;
  }

  get isDone(): boolean {
    return this.#isClosed && this.outcomes.length === this.#started;
  }

  #start(onEnd: () => void): void {
    const request = new Request(this.#world, this.#started++, (outcome, prepared) => {
      this.#inHand.delete(request);
      this.outcomes.push(outcome);
      this.prepared ??= prepared;
      onEnd();
    });
    this.#inHand.add(request);
    request.begin();
  }

  /** Time is up for all that are still in hand. */
  close(): void {
    for (const request of [...this.#inHand]) request.abandon();
  }

  /** Of the request that has been in hand longest and has one. */
  get coordinator(): Board | undefined {
    const [first] = [...this.#inHand].flatMap(({ coordinator }) => coordinator ?? []);
    return first;
  }

  begin(workload: Workload): void {
    const { queue, settings } = this.#world;
    const nothing = (): void => undefined;
    switch (workload.kind) {
      case 'requests': {
        const next = (): void => {
          this.#isClosed = this.#started + 1 >= workload.count;
          this.#start(() => {
            if (!this.#isClosed) next();
          });
        };
        next();
        break;
      }
      case 'open': {
        const arrive = (): void => {
          const delayMs = (exponential(settings.seed, 'arrival', this.#started) / workload.requestsPerSecond) * 1000;
          if (queue.nowMs + delayMs > workload.seconds * 1000 || this.#started >= MAX_REQUESTS) {
            this.#isClosed = true;
            return;
          }
          queue.after(delayMs, () => {
            this.#start(nothing);
            arrive();
          });
        };
        arrive();
        break;
      }
      case 'closed': {
        const again = (): void => {
          if (queue.nowMs < workload.seconds * 1000) this.#start(again);
          else this.#isClosed = true;
        };
        for (let client = 0; client < workload.clients; client++) again();
        break;
      }
    }
  }
}

/** @throws MeshError UNAVAILABLE, INVALID_ARGUMENT. */
export function simulate(scenario: Scenario): SimulationResult {
  const settings = { ...SETTINGS, ...scenario.settings };
  const { workload, kills = [], hasHeartbeats = true } = scenario;
  const queue = new EventQueue();
  const boards = createBoards(scenario, queue, settings.seed);
  const world = new World(queue, boards, new Timeline(scenario.detailed ?? 1), new PlanBook(scenario), settings);
  const workshop = new Workshop(world);
  for (const { board, atMs } of kills) {
    if (board !== 'coordinator' && boards[board] === undefined) {
      throw new MeshError('INVALID_ARGUMENT', `there is no board ${board + 1} to kill: there are ${boards.length}`);
    }
    queue.at(atMs, () => {
      const victim = board === 'coordinator' ? workshop.coordinator : boards[board];
      if (victim !== undefined) world.kill(victim);
    });
  }
  if (hasHeartbeats) world.startHeartbeats((board) => uniform(settings.seed, 'heartbeat', board));
  workshop.begin(workload);
  const lastMs = ('seconds' in workload ? workload.seconds * 1000 : settings.deadlineMs * workload.count) + GRACE_MS;
  queue.run(lastMs, () => workshop.isDone);
  workshop.close();
  const requests = workshop.outcomes.toSorted((a, b) => a.request - b.request);
  const elapsedMs = Math.max(0, ...requests.map(({ endedMs }) => endedMs));
  return {
    requests,
    elapsedMs,
    boards: boards.map((board, index) => ({
      name: boardName(index),
      board: board.model.name,
      isDead: board.isDead,
      kernelMs: board.kernelMs,
      scriptMs: board.script.busyMs,
      linkInMs: board.link.busyMs.in,
      linkOutMs: board.link.busyMs.out,
    })),
    timeline: world.timeline,
    planned: world.plans.first,
    prepared: workshop.prepared,
  };
}
