/**
 * The turnstile of an entry: requests begin one by one as places become free, in the order that `core/schedule/admission`
 * decides, or are refused at once.
 */
import { MeshError, toMeshError, type Failure } from '../core/errors.ts';
import {
  ADMISSION_DEFAULTS,
  beginAdmission,
  nextTickMs,
  objection,
  stepAdmission,
  waitingCount,
  type Admission,
  type AdmissionEvent,
  type Refusal,
} from '../core/schedule/admission.ts';
import type { Clock } from './ports.ts';
import { RecentMap } from './recent-map.ts';

export interface TurnstileParts {
  readonly clock: Clock;
  readonly maxWaiting: number;
  /** Of inputs of requests that run or wait. */
  readonly maxBytes: number;
  /** Requests that may run at this moment. */
  readonly places: () => number;
}

export interface Entrant {
  readonly client: string;
  /** Of its inputs. */
  readonly bytes: number;
  /** What it is expected to cost is learnt by model. */
  readonly model: string;
  /** Time left. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

interface Held {
  readonly begin: () => void;
  readonly turnAway: (failure: Failure) => void;
}

/** Models whose usual time is remembered. */
const KNOWN_MODELS = 256;
/** What a request costs before one like it has been seen, milliseconds. */
const UNKNOWN_COST_MS = 100;

export class Turnstile {
  readonly #parts: TurnstileParts;
  readonly #held = new Map<number, Held>();
  readonly #costs = new RecentMap<string, number>(KNOWN_MODELS);
  #admission: Admission;
  #tickets = 0;
  #stopTimer = (): void => undefined;

  constructor(parts: TurnstileParts) {
    this.#parts = parts;
    const { maxWaiting, maxBytes } = parts;
    this.#admission = beginAdmission({ ...ADMISSION_DEFAULTS, maxWaiting, maxBytes });
  }

  /** Requests that have begun and not ended. */
  get running(): number {
    return this.#admission.running.size;
  }

  get waiting(): number {
    return waitingCount(this.#admission);
  }

  /** Why this client would be refused now, so that its request need not be read. */
  refusal(client: string): Failure | undefined {
    const { clock, places } = this.#parts;
    const probe = { client, bytes: 0, deadlineMs: Infinity };
    if (objection(this.#admission, probe, places(), clock.now()) === undefined) return undefined;
    let refused: Failure | undefined;
    const ticket = (this.#tickets += 1);
    this.#held.set(ticket, { begin: () => undefined, turnAway: (failure) => (refused = failure) });
    this.#step({ kind: 'arrived', applicant: { ...probe, ticket, cost: 1 } });
    return refused;
  }

  /**
   * Runs `work` when it is this request's turn.
   * @throws MeshError OVERLOADED with `retryAfterMs` in its details, DEADLINE_EXCEEDED, CANCELLED; what `work` throws.
   */
  async pass<Result>(entrant: Entrant, work: () => Promise<Result>): Promise<Result> {
    const { clock } = this.#parts;
    const { signal, model, client, bytes } = entrant;
    const arrivedMs = clock.now();
    const ticket = (this.#tickets += 1);
    const turn = Promise.withResolvers<undefined>();
    this.#held.set(ticket, {
      begin: () => turn.resolve(undefined),
      turnAway: (failure) => turn.reject(asError(failure)),
    });
    const cancel = (): void => turn.reject(toMeshError(signal.reason, 'CANCELLED'));
    let isAnswered = false;
    let beganMs = Infinity;
    try {
      signal.throwIfAborted();
      signal.addEventListener('abort', cancel, { once: true });
      const cost = this.#costs.get(model) ?? UNKNOWN_COST_MS;
      const deadlineMs = arrivedMs + entrant.deadlineMs;
      this.#step({ kind: 'arrived', applicant: { ticket, client, bytes, cost, deadlineMs } });
      await turn.promise;
      beganMs = clock.now();
      const result = await work();
      isAnswered = true;
      return result;
    } finally {
      signal.removeEventListener('abort', cancel);
      if (isAnswered) this.#learn(model, clock.now() - beganMs);
      this.#held.delete(ticket);
      this.#step({ kind: 'left', ticket, isAnswered });
    }
  }

  #learn(model: string, tookMs: number): void {
    const known = this.#costs.get(model) ?? tookMs;
    this.#costs.set(model, Math.max(1, known + (tookMs - known) / 4));
  }

  #step(event: AdmissionEvent): void {
    const { clock, places } = this.#parts;
    const [next, effects] = stepAdmission(this.#admission, event, places(), clock.now());
    this.#admission = next;
    this.#stopTimer();
    const dueMs = nextTickMs(next);
    this.#stopTimer = Number.isFinite(dueMs)
      ? clock.after(Math.max(1, dueMs - clock.now()), () => this.#step({ kind: 'tick' }))
      : () => undefined;
    for (const effect of effects) {
      const held = this.#held.get(effect.ticket);
      if (effect.kind === 'start') held?.begin();
      else {
        this.#held.delete(effect.ticket);
        held?.turnAway(effect.kind === 'refuse' ? this.#refused(effect.reason) : expired());
      }
    }
  }

  #refused({ cause, retryAfterMs }: Refusal): Failure {
    const details = { retryAfterMs: Math.round(retryAfterMs), waiting: this.waiting, running: this.running };
    return { code: 'OVERLOADED', message: REFUSALS[cause], details };
  }
}

const REFUSALS = {
  full: 'this peer has as many requests as it can hold: try again when it says, or at another peer',
  'client has its share': 'this client has as many requests waiting as its share: try again when some are answered',
  'too late':
    'the requests that wait here would take longer than this one may: allow it more time, or ask another peer',
} as const satisfies Record<Refusal['cause'], string>;

const expired = (): Failure => ({
  code: 'DEADLINE_EXCEEDED',
  message: 'the request waited for its turn until its deadline: allow it more time',
  details: {},
});

const asError = ({ code, message, details }: Failure): MeshError => new MeshError(code, message, { details });
