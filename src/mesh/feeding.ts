/**
 * What the entry does with the plans that coordinators tell it for one request: carries out the newest one and gives up those
 * before. A plan may arrive before the word that its sender coordinates, since the two come on different streams.
 */
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import type { Feed, PlanMessage } from '../../protocols/plan/messages.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import type { PeerId } from '../core/ids.ts';
import type { Tensor } from '../core/tensor/tensor.ts';
import type { Logger } from '../observability/logger.ts';
import type { AttemptId } from './attempt-id.ts';
import { Handover } from './handover.ts';
import type { Clock, MemberDirectory, MessageChannel, PieceChannel } from './ports.ts';
import type { Preparation } from './preparation.ts';
import type { Recorder } from './recording.ts';
import { lostPeerOf } from './send-piece.ts';

export interface FeedingParts {
  readonly members: MemberDirectory;
  readonly plans: MessageChannel<PlanMessage>;
  readonly pieces: PieceChannel;
  readonly preparation: Preparation;
  readonly clock: Clock;
  readonly records: Recorder;
  readonly logger: Logger;
}

export class Feeding {
  readonly #parts: FeedingParts;
  readonly #inputs: ReadonlyMap<string, Tensor>;
  readonly #onChange: () => void;
  #coordinator: PeerId | undefined;
  #feed: Feed | undefined;
  #handover: Handover | undefined;
  #isFed = false;
  #abort = new AbortController();

  /** @param onChange called when inputs have been handed out or an output has come in. */
  constructor(parts: FeedingParts, inputs: ReadonlyMap<string, Tensor>, onChange: () => void) {
    this.#parts = parts;
    this.#inputs = inputs;
    this.#onChange = onChange;
  }

  /** The plan that is being carried out. */
  get handover(): Handover | undefined {
    return this.#handover;
  }

  /** A new term begins, or the request ends: nothing more is sent, and what comes for older plans is not taken. */
  reset(): void {
    this.#coordinator = undefined;
    this.#drop();
  }

  /** That peer coordinates from now on. */
  follow(coordinator: PeerId): void {
    this.#coordinator = coordinator;
    if (this.#feed !== undefined) void this.#carryOut(coordinator, this.#feed);
  }

  /** A plan from the peer that coordinates, or that is about to. */
  offer(feed: Feed): void {
    // The same plan comes again when it was lacked, or when the coordinator has not heard of the end of it.
    if (this.#handover !== undefined && this.#handover.id.attempt >= feed.attempt) {
      const isSame = this.#handover.id.attempt === feed.attempt;
      if (isSame && this.#isFed && this.#coordinator !== undefined) {
        void this.#tellFed(this.#coordinator, this.#handover.id);
      }
      return;
    }
    this.#drop();
    this.#feed = feed;
    if (this.#coordinator !== undefined) void this.#carryOut(this.#coordinator, feed);
  }

  admits(from: PeerId, header: PieceHeader): boolean {
    return this.#handover?.admits(from, header) ?? false;
  }

  /** Takes in a part of the outputs. */
  accept(from: PeerId, piece: Piece): void {
    if (!this.admits(from, { ...piece, byteLength: piece.bytes.byteLength })) return;
    try {
      this.#handover?.add(from, piece);
      this.#onChange();
    } catch (error) {
      const { code, message } = toMeshError(error);
      this.#parts.logger.warn({ requestId: piece.requestId, from, code }, message);
    }
  }

  #drop(): void {
    this.#abort.abort(REPLACED);
    this.#abort = new AbortController();
    this.#feed = undefined;
    this.#handover = undefined;
    this.#isFed = false;
  }

  /** Hands out the inputs. What stands in the way is told to the coordinator. */
  async #carryOut(coordinator: PeerId, { digest, plan, requestId, term, attempt }: Feed): Promise<void> {
    const { preparation, members, pieces, clock, records, logger } = this.#parts;
    const id = { requestId, term, attempt };
    const { signal } = this.#abort;
    try {
      const known = preparation.known(digest);
      if (known === undefined && plan === undefined) {
        await this.#tell(coordinator, { kind: 'lack', ...id, isFeed: true });
        return;
      }
      const prepared = known ?? (await preparation.learn({ digest, bytes: plan! }, signal));
      signal.throwIfAborted();
      const recording = records.of(requestId);
      this.#handover = new Handover({
        id,
        self: members.self,
        prepared,
        inputs: this.#inputs,
        pieces,
        clock,
        recording,
        signal,
      });
      await this.#handover.send();
      signal.throwIfAborted();
      this.#isFed = true;
      await this.#tellFed(coordinator, id);
      this.#onChange();
    } catch (error) {
      if (signal.aborted) return;
      const failure = toMeshError(error);
      const { code, message } = failure;
      logger.debug({ requestId, code }, 'could not hand out the input');
      await this.#tell(coordinator, { kind: 'failed', ...id, code, message, ...lostPeerOf(failure) });
    }
  }

  #tellFed(coordinator: PeerId, { requestId, term, attempt }: AttemptId): Promise<void> {
    return this.#tell(coordinator, { kind: 'fed', requestId, term, attempt });
  }

  /** A coordinator that cannot be reached will be noticed by its lease. */
  async #tell(coordinator: PeerId, message: PlanMessage): Promise<void> {
    try {
      await this.#parts.plans.send(coordinator, message);
    } catch (error) {
      const { code } = toMeshError(error);
      this.#parts.logger.debug({ to: coordinator, kind: message.kind, code }, 'could not tell the coordinator');
    }
  }
}

/** Made once: it ends every request, and to note where an error comes from takes time. */
const REPLACED = new MeshError('CANCELLED', 'a newer plan has been made');
