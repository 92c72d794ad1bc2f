/** The three parts that every peer plays in requests, joined to one set of channels. */
import type { AnswerMessage } from '../../protocols/answers/messages.ts';
import type { ElectionMessage } from '../../protocols/election/messages.ts';
import type { Arithmetic } from '../core/graph/bind.ts';
import type { PlanMessage } from '../../protocols/plan/messages.ts';
import type { Logger } from '../observability/logger.ts';
import { Coordinator } from './coordinator.ts';
import { Entry, type EntryLimits } from './entry.ts';
import { EARLY_DEFAULTS, type EarlyLimits } from './early-pieces.ts';
import type { EntrySettings } from '../core/election/entry.ts';
import { createFence, type Fence } from '../core/election/fence.ts';
import { isAt, TO_ENTRY } from './piece-address.ts';
import { PlanLedger } from './plan-ledger.ts';
import type { Clock, LayerChoice, MemberDirectory, MessageChannel, ModelAccess, PieceChannel } from './ports.ts';
import type { Planner } from './plan-thread.ts';
import { Preparation } from './preparation.ts';
import type { ProgramShelf } from './program-shelf.ts';
import { Recorder } from './recording.ts';
import { Worker } from './worker.ts';

export interface PeerActorsParts {
  readonly members: MemberDirectory;
  readonly elections: MessageChannel<ElectionMessage>;
  readonly plans: MessageChannel<PlanMessage>;
  readonly pieces: PieceChannel;
  readonly answers: MessageChannel<AnswerMessage>;
  readonly models: ModelAccess;
  readonly shelf: ProgramShelf;
  readonly planner: Planner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: EntryLimits;
  /** Memory for feature maps. */
  readonly mapBytes: number;
  /** What is kept of pieces that come before their plan. */
  readonly earlyLimits?: EarlyLimits;
  readonly arithmetic: Arithmetic;
  /** What the costs promise when absent. */
  readonly layers?: LayerChoice;
  /** The share of the answers that is verified unasked, from 0 to 1; none when absent. */
  readonly verifiedShare?: number;
  readonly electionSettings?: EntrySettings;
  /** What keeps coordinators out that have been replaced; for so many requests. */
  readonly createFence?: (limit: number) => Fence;
}

/** Rendezvous hashing gives some peers more than their share to coordinate at times. */
const COORDINATED_PER_PLACE = 4;
/** A coordinator's participants may each have requests of their own in hand. */
const EXECUTIONS_PER_PLACE = 64;

export class PeerActors {
  readonly entry: Entry;
  readonly coordinator: Coordinator;
  readonly worker: Worker;
  /** What this peer did in the last requests. */
  readonly records: Recorder;
  /** The plans that are kept. */
  readonly preparation: Preparation;
  readonly #pieces: PieceChannel;
  #stopListening = (): void => undefined;

  constructor(parts: PeerActorsParts) {
    const { logger, plans, limits, earlyLimits = EARLY_DEFAULTS } = parts;
    const preparation = new Preparation(parts.models, parts.planner, parts.arithmetic, parts.layers);
    const ledger = new PlanLedger();
    const fencing = { createFence: parts.createFence ?? createFence };
    const records = new Recorder(parts.clock);
    this.preparation = preparation;
    this.records = records;
    const { verifiedShare = 0 } = parts;
    this.entry = new Entry({ ...parts, verifiedShare, preparation, records, logger: logger.child({ actor: 'entry' }) });
    this.coordinator = new Coordinator({
      ...parts,
      ...fencing,
      preparation,
      ledger,
      maxRequests: limits.maxConcurrent * COORDINATED_PER_PLACE,
      records,
      logger: logger.child({ actor: 'coordinator' }),
    });
    this.worker = new Worker({
      ...parts,
      ...fencing,
      channel: plans,
      preparation,
      ledger,
      records,
      earlyLimits,
      logger: logger.child({ actor: 'worker' }),
      maxExecutions: limits.maxConcurrent * EXECUTIONS_PER_PLACE,
      standingOf: (coordinator, id) => this.entry.standingOf(coordinator, id),
    });
    this.#pieces = parts.pieces;
  }

  /** Requests this peer has a part in. */
  get load(): number {
    return this.worker.load;
  }

  start(): void {
    this.#pieces.admit = (from, header) => {
      if (isAt(TO_ENTRY, header)) return this.entry.admits(from, header);
      return this.worker.admits(from, header);
    };
    this.#stopListening = this.#pieces.onPiece((from, piece) => {
      if (isAt(TO_ENTRY, piece)) this.entry.accept(from, piece);
      else this.worker.accept(from, piece);
    });
    this.worker.start();
    this.coordinator.start();
    this.entry.start();
  }

  /** Takes nothing new, but for what others sent before they heard of it. */
  drain(): void {
    this.entry.drain();
    this.coordinator.drain();
  }

  /** Whether nothing is in hand. */
  get isQuiet(): boolean {
    const { entry, coordinator, worker } = this;
    return entry.load + entry.waiting + coordinator.load + worker.load === 0;
  }

  stop(): void {
    this.entry.stop();
    this.coordinator.stop();
    this.worker.stop();
    this.#stopListening();
  }
}
