/**
 * A board: what it says of itself, which is what others plan with, and how fast it really is. One thread runs JavaScript:
 * it handles messages and hands tiles to kernel threads, of which each runs one tile at a time.
 */
import type { LinkProfile, Overheads, PeerProfile } from '../core/cost/cost-model.ts';
import { createFence, type Fence } from '../core/election/fence.ts';
import type { PeerId, RequestId } from '../core/ids.ts';
import { Link } from './link.ts';
import type { Cores, Thread } from './processor.ts';
import { Readiness } from './readiness.ts';
import type { Quota } from './shared-cores.ts';

export interface BoardModel {
  readonly name: string;
  /** What a board of this kind says of itself. */
  readonly profile: Omit<PeerProfile, 'peer'>;
  /** Of a kernel thread while it runs, in multiply-accumulates per second. */
  readonly kernelMacsPerSecond: number;
  /** Tiles run at the same time. */
  readonly lanes: number;
  /** Of the thread that runs JavaScript, while it runs. */
  readonly overheads: Overheads;
  /** How many times slower than the machine of the cost model it plans and prepares. */
  readonly slowness: number;
  /** Absent where each thread has a core. */
  readonly quota?: Quota;
}

/** Work in hand. */
interface Droppable {
  drop(): void;
}

const FENCED_REQUESTS = 4096;

export class Board {
  readonly peer: PeerId;
  readonly model: BoardModel;
  readonly link: Link;
  readonly script: Thread;
  readonly #lanes: readonly Thread[];
  readonly #waiting: ((lane: number) => void)[] = [];
  readonly #idle: number[];
  /** Makes plans. */
  readonly planner: Thread;
  readonly readiness = new Readiness();
  readonly fence: Fence = createFence(FENCED_REQUESTS);
  readonly #executions = new Map<RequestId, Droppable>();
  /** As an entry. */
  requestsInHand = 0;
  /** Attempts in hand, as the others know it. */
  announcedLoad = 0;
  isDead = false;

  constructor(peer: PeerId, model: BoardModel, link: LinkProfile, cores: Cores) {
    this.peer = peer;
    this.model = model;
    this.link = new Link(link);
    this.script = cores.thread();
    this.planner = cores.thread();
    this.#lanes = Array.from({ length: model.lanes }, () => cores.thread());
    this.#idle = [...this.#lanes.keys()];
  }

  get profile(): PeerProfile {
    return { peer: this.peer, ...this.model.profile };
  }

  /** Kernel time of all lanes so far. */
  get kernelMs(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.busyMs, 0);
  }

  /** Runs a job, in milliseconds of a core, on the next lane that is free. */
  compute(workMs: number, onDone: (startMs: number, lane: number) => void): void {
    this.#waiting.push((lane) => {
      this.#lanes[lane]!.run(workMs, (startMs) => {
        this.#idle.push(lane);
        this.#dispatch();
        onDone(startMs, lane);
      });
    });
    this.#dispatch();
  }

  #dispatch(): void {
    while (this.#idle.length > 0 && this.#waiting.length > 0) this.#waiting.shift()!(this.#idle.shift()!);
  }

  /** Attempts that it has a part in. */
  get load(): number {
    return this.#executions.size;
  }

  /** @returns whether the work is taken: not when it is of a coordinator that has been replaced. */
  take(requestId: RequestId, term: number, execution: Droppable): boolean {
    if (!this.fence.admit(requestId, term)) return false;
    this.#executions.get(requestId)?.drop();
    this.#executions.set(requestId, execution);
    return true;
  }

  release(requestId: RequestId, execution: Droppable): void {
    if (this.#executions.get(requestId) === execution) this.#executions.delete(requestId);
  }

  /** The board vanishes. */
  die(): void {
    this.isDead = true;
    this.#waiting.length = 0;
    for (const thread of [this.script, this.planner, ...this.#lanes]) thread.stop();
  }
}
