/**
 * Which request may begin, which waits and which is refused at once, as a pure step function of one entry.
 *
 * - **Bounds.** So many run, so many wait, with so many bytes of input. One client may take only a multiple of the places
 *   that are still free, so that there is always one for another client (dynamic thresholds: Choudhury and Hahne,
 *   "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998).
 * - **Fairness.** Whose turn it is follows from start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996): clients that
 *   wait are served alike by the time their requests take, however many each has sent.
 * - **Refusal.** A request that cannot be answered by its deadline is refused on arrival. Refused clients are told to come
 *   back one after the other, at the rate at which places become free: the rate is requests running over the time each
 *   takes (Little's law).
 */

export interface AdmissionSettings {
  readonly maxWaiting: number;
  /** Of inputs of requests that run or wait. One request alone may exceed it. */
  readonly maxBytes: number;
  /** What one client may have waiting, as a multiple of what is free. */
  readonly share: number;
  /** Longest that a client is told to stay away. */
  readonly maxRetryMs: number;
}

export const ADMISSION_DEFAULTS = Object.freeze({ share: 4, maxRetryMs: 30_000 });

/** A request that wants to begin. */
export interface Applicant {
  readonly ticket: number;
  readonly client: string;
  /** Of its inputs. */
  readonly bytes: number;
  /** Time it is expected to take, in any unit that all requests share; above 0. */
  readonly cost: number;
  /** Absolute, on the clock of `nowMs`. */
  readonly deadlineMs: number;
}

interface Waiting extends Applicant {
  /** Start tag: lower ones go first. */
  readonly tag: number;
}

interface Running extends Applicant {
  readonly sinceMs: number;
}

export interface Admission {
  readonly settings: AdmissionSettings;
  readonly running: ReadonlyMap<number, Running>;
  /** By client, each in the order of arrival. */
  readonly waiting: ReadonlyMap<string, readonly Waiting[]>;
  /** Start tag of the request that began last. */
  readonly virtualTime: number;
  /** Of each client that has something here: the finish tag of its last request. */
  readonly finishTags: ReadonlyMap<string, number>;
  /** How long requests run; 0 until one has ended. */
  readonly serviceMs: number;
  /** How often a request ends while others wait; 0 until one has ended. */
  readonly intervalMs: number;
  /** When the client that was refused last has been told to come back. */
  readonly promisedMs: number;
}

export type AdmissionEvent =
  | { readonly kind: 'arrived'; readonly applicant: Applicant }
  /** It has ended, or nobody wants it any more. */
  | { readonly kind: 'left'; readonly ticket: number; readonly isAnswered: boolean }
  | { readonly kind: 'tick' };

export type AdmissionEffect =
  | { readonly kind: 'start'; readonly ticket: number }
  | { readonly kind: 'refuse'; readonly ticket: number; readonly reason: Refusal }
  /** Its deadline has passed while it waited. */
  | { readonly kind: 'expire'; readonly ticket: number };

export interface Refusal {
  readonly cause: 'full' | 'client has its share' | 'too late';
  /** When to try again. */
  readonly retryAfterMs: number;
}

export type AdmissionStep = readonly [Admission, readonly AdmissionEffect[]];

export const beginAdmission = (settings: AdmissionSettings): Admission => ({
  settings,
  running: new Map(),
  waiting: new Map(),
  virtualTime: 0,
  finishTags: new Map(),
  serviceMs: 0,
  intervalMs: 0,
  promisedMs: 0,
});

const sum = <Item>(items: Iterable<Item>, of: (item: Item) => number): number => {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
};

export const waitingCount = ({ waiting }: Admission): number => sum(waiting.values(), (own) => own.length);

/** Bytes of the inputs of all that run or wait. */
export const heldBytes = ({ running, waiting }: Admission): number =>
  sum(running.values(), ({ bytes }) => bytes) + sum(waiting.values(), (own) => sum(own, ({ bytes }) => bytes));

/** Requests that go before the next one of this client: all of each other client's up to as many as it has itself. */
function ahead({ waiting }: Admission, client: string): number {
  const own = waiting.get(client)?.length ?? 0;
  return sum(waiting, ([other, list]) => (other === client ? own : Math.min(list.length, own + 1)));
}

/** When the next request of a client would begin, from now; 0 where there is nothing to wait for or nothing is known. */
export const expectedWaitMs = (state: Admission, client: string, places: number): number =>
  state.running.size < places ? 0 : (ahead(state, client) + 1) * state.intervalMs;

/** Why a request that arrives now would be refused; undefined where it would not. */
export function objection(
  state: Admission,
  { client, bytes, deadlineMs }: Pick<Applicant, 'client' | 'bytes' | 'deadlineMs'>,
  places: number,
  nowMs: number,
): Refusal['cause'] | undefined {
  const { settings, running, waiting } = state;
  const count = waitingCount(state);
  const held = heldBytes(state);
  if (running.size > 0 && held + bytes > settings.maxBytes) return 'full';
  if (running.size < places && count === 0) return undefined;
  const free = settings.maxWaiting - count;
  const own = waiting.get(client)?.length ?? 0;
  if (free <= 0) return 'full';
  if (own >= settings.share * free) return 'client has its share';
  const endMs = nowMs + expectedWaitMs(state, client, places) + state.serviceMs;
  return endMs > deadlineMs ? 'too late' : undefined;
}

/** Refuses, and notes when that client comes back, so that the next one is told to come later. */
function refuse(state: Admission, ticket: number, cause: Refusal['cause'], nowMs: number): AdmissionStep {
  const { settings, intervalMs } = state;
  // Whoever came back before all that wait had begun would find the queue as full as it is now.
  const drainedMs = nowMs + waitingCount(state) * intervalMs;
  const latestMs = nowMs + settings.maxRetryMs;
  const promisedMs = Math.min(latestMs, Math.max(state.promisedMs, drainedMs) + intervalMs);
  const reason = { cause, retryAfterMs: Math.max(0, promisedMs - nowMs) };
  return [{ ...state, promisedMs }, [{ kind: 'refuse', ticket, reason }]];
}

function enqueue(state: Admission, applicant: Applicant): Admission {
  const { client, cost } = applicant;
  const tag = Math.max(state.virtualTime, state.finishTags.get(client) ?? 0);
  const own = state.waiting.get(client) ?? [];
  return {
    ...state,
    waiting: new Map(state.waiting).set(client, [...own, { ...applicant, tag }]),
    finishTags: new Map(state.finishTags).set(client, tag + cost),
  };
}

/** Takes a request out of the queue of its client. */
function dequeue(state: Admission, { client, ticket }: Applicant): Admission {
  const waiting = new Map(state.waiting);
  const rest = (waiting.get(client) ?? []).filter((other) => other.ticket !== ticket);
  if (rest.length > 0) waiting.set(client, rest);
  else waiting.delete(client);
  return { ...state, waiting };
}

/** A client with nothing here owes nothing: what it used while others did not want it is forgotten. */
function forgetIdle(state: Admission, client: string): Admission {
  const isHere = state.waiting.has(client) || [...state.running.values()].some((other) => other.client === client);
  if (isHere) return state;
  const finishTags = new Map(state.finishTags);
  finishTags.delete(client);
  return { ...state, finishTags };
}

/** Begins requests while there are places. */
function fill(state: Admission, places: number, nowMs: number): AdmissionStep {
  const effects: AdmissionEffect[] = [];
  let next = state;
  while (next.running.size < places) {
    let first: Waiting | undefined;
    for (const [candidate] of next.waiting.values()) {
      if (candidate !== undefined && (first === undefined || candidate.tag < first.tag)) first = candidate;
    }
    if (first === undefined) break;
    const running = new Map(next.running).set(first.ticket, { ...first, sinceMs: nowMs });
    next = { ...dequeue(next, first), running, virtualTime: Math.max(next.virtualTime, first.tag) };
    effects.push({ kind: 'start', ticket: first.ticket });
  }
  return [next, effects];
}

/** Shorter times count at once, longer ones slowly: the first request of a model has its weights to fetch. */
const follow = (known: number, seen: number): number =>
  known === 0 ? seen : known + (seen < known ? 0.5 : 0.1) * (seen - known);

function leave(state: Admission, ticket: number, isAnswered: boolean, nowMs: number): Admission {
  const ended = state.running.get(ticket);
  if (ended === undefined) {
    for (const own of state.waiting.values()) {
      const found = own.find((other) => other.ticket === ticket);
      if (found !== undefined) return forgetIdle(dequeue(state, found), found.client);
    }
    return state;
  }
  const running = new Map(state.running);
  running.delete(ticket);
  const rest = forgetIdle({ ...state, running }, ended.client);
  if (!isAnswered) return rest;
  const tookMs = nowMs - ended.sinceMs;
  return {
    ...rest,
    serviceMs: follow(state.serviceMs, tookMs),
    intervalMs: follow(state.intervalMs, tookMs / state.running.size),
  };
}

function expire(state: Admission, nowMs: number): AdmissionStep {
  const late = [...state.waiting.values()].flat().filter(({ deadlineMs }) => deadlineMs <= nowMs);
  const rest = late.reduce((before, waiting) => forgetIdle(dequeue(before, waiting), waiting.client), state);
  return [rest, late.map(({ ticket }) => ({ kind: 'expire', ticket }))];
}

/** When the next `tick` is due; Infinity while nothing waits. */
export const nextTickMs = ({ waiting }: Admission): number => {
  let dueMs = Infinity;
  for (const own of waiting.values()) for (const { deadlineMs } of own) dueMs = Math.min(dueMs, deadlineMs);
  return dueMs;
};

/**
 * What the event makes of the state, and what is to be done.
 * @param places requests that may run at this moment. `nowMs` never runs backwards.
 */
export function stepAdmission(state: Admission, event: AdmissionEvent, places: number, nowMs: number): AdmissionStep {
  const [fresh, expired] = expire(state, nowMs);
  const then = (next: Admission): AdmissionStep => {
    const [filled, started] = fill(next, places, nowMs);
    return [filled, [...expired, ...started]];
  };
  switch (event.kind) {
    case 'tick':
      return then(fresh);
    case 'left':
      return then(leave(fresh, event.ticket, event.isAnswered, nowMs));
    case 'arrived': {
      const cause = objection(fresh, event.applicant, places, nowMs);
      if (cause === undefined) return then(enqueue(fresh, event.applicant));
      const [refused, effects] = refuse(fresh, event.applicant.ticket, cause, nowMs);
      return [refused, [...expired, ...effects]];
    }
  }
}
