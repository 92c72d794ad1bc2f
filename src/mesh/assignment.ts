/**
 * The plan of one attempt on its way to those it concerns. Plans go by their digest: in full only to peers that are not
 * taken to have them, or that say they lack it, which is no fault of theirs.
 */
import type { PlanMessage } from '../../protocols/plan/messages.ts';
import { toMeshError, type MeshError } from '../core/errors.ts';
import type { ModelId, PeerId } from '../core/ids.ts';
import type { AttemptId } from './attempt-id.ts';
import type { PlanLedger } from './plan-ledger.ts';
import type { MessageChannel } from './ports.ts';
import type { EncodedPlan } from './preparation.ts';

export interface AssignmentParts {
  readonly plans: MessageChannel<PlanMessage>;
  readonly ledger: PlanLedger;
  readonly id: AttemptId;
  readonly modelId: ModelId;
  readonly encoded: EncodedPlan;
  readonly participants: readonly PeerId[];
  readonly entry: PeerId;
  /** Whether the inputs are held back until all participants are ready. */
  readonly isAwaited: boolean;
  /** Until nobody wants the answer any more. */
  readonly remainingMs: () => number;
  readonly signal: AbortSignal;
  readonly onUnreachable: (peer: PeerId, error: MeshError) => void;
}

export class Assignment {
  readonly #parts: AssignmentParts;

  constructor(parts: AssignmentParts) {
    this.#parts = parts;
  }

  /** Resolves when every participant's plan has been handed to the network. */
  async assign(): Promise<void> {
    await Promise.all(this.#parts.participants.map((peer) => this.#assign(peer)));
  }

  /** Has the entry hand out the inputs. */
  feed(): Promise<void> {
    const { id, entry } = this.#parts;
    return this.#send(entry, { kind: 'feed', ...id, ...this.#planFor(entry) });
  }

  /** The participant has not answered. */
  sayAgain(peer: PeerId): Promise<void> {
    return this.#assign(peer);
  }

  /** The peer does not have the plan after all. */
  sendInFull(peer: PeerId, isFeed: boolean): Promise<void> {
    const { ledger, encoded } = this.#parts;
    ledger.strike(peer, encoded.digest);
    return isFeed ? this.feed() : this.#assign(peer);
  }

  /**
   * Has all drop what belongs to this attempt, also those that are lost: what was sent to them may yet arrive, and this goes
   * behind it. Nobody waits for those.
   */
  async abort(reason: string, lost: ReadonlySet<PeerId>): Promise<void> {
    const { plans, id, participants } = this.#parts;
    const told = participants.map(async (peer) => {
      const sent = plans.send(peer, { kind: 'abort', ...id, reason }).catch(() => undefined);
      if (!lost.has(peer)) await sent;
    });
    await Promise.all(told);
  }

  #assign(peer: PeerId): Promise<void> {
    const { id, modelId, entry, isAwaited, remainingMs } = this.#parts;
    const assign = { modelId, entry, isAwaited, deadlineMs: Math.ceil(remainingMs()) };
    return this.#send(peer, { kind: 'assign', ...id, ...assign, ...this.#planFor(peer) });
  }

  #planFor(peer: PeerId): Pick<PlanMessage & { kind: 'feed' }, 'digest' | 'plan'> {
    const { ledger, encoded } = this.#parts;
    const { digest, bytes } = encoded;
    if (ledger.holds(peer, digest)) return { digest };
    // What follows on the same stream finds it there.
    ledger.note([peer], digest, 'held');
    return { digest, plan: bytes };
  }

  async #send(peer: PeerId, message: PlanMessage): Promise<void> {
    const { plans, ledger, encoded, signal, onUnreachable } = this.#parts;
    try {
      await plans.send(peer, message, signal);
    } catch (error) {
      ledger.strike(peer, encoded.digest);
      if (!signal.aborted) onUnreachable(peer, toMeshError(error));
    }
  }
}
