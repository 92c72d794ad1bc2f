/** One request that something happens to: one board, at one moment, as coordinator or as participant. */
import { setTimeout } from 'node:timers/promises';
import { getJson } from '../../src/cli/client.ts';
import { MeshError, toMeshError } from '../../src/core/errors.ts';
import type { RequestId } from '../../src/core/ids.ts';
import type { RequestTrace } from '../../src/core/trace/trace.ts';
import { ask, checkAnswer, requestIdFor, type Reply } from '../ask.ts';
import { begin, type FaultKind, type Undo } from '../chaos/faults.ts';
import type { Board } from '../emulation/board.ts';
import type { Boards } from '../emulation/boards.ts';
import type { Subject } from '../subject.ts';
import { reuseIn, type Reuse } from './reuse.ts';
import { blockAt, type Moment } from './stages.ts';

/** Killed (and started again), stopped (and continued), held to a tenth of its share; until the request is answered. */
export const RECOVERY_KINDS = ['kill', 'freeze', 'slow'] as const satisfies readonly FaultKind[];
export type RecoveryKind = (typeof RECOVERY_KINDS)[number];

export const ROLES = ['participant', 'coordinator'] as const;
export type Role = (typeof ROLES)[number];

export interface Trial {
  readonly kind: RecoveryKind;
  readonly role: Role;
  readonly victim: string;
  /** The first node of the block that was meant, by the undisturbed course. */
  readonly stage: string;
  /** The block that was under way then; null where it cannot be told. */
  readonly block: number | null;
  /** When it happened, after the request was sent. */
  readonly faultMs: number;
  /** The median of the requests just before that nothing happened to. */
  readonly usualMs: number;
  /** At the client; null: no answer came, for `failure`. */
  readonly latencyMs: number | null;
  /** Of the answer from the whole model's, relative to the largest value. */
  readonly difference: number | null;
  readonly failure: string | null;
  readonly term: number;
  readonly attempts: number;
  /** Null where it cannot be told. */
  readonly reuse: Reuse | null;
  /** From undoing it until every board saw every other one alive, in which a killed board starts; null: not within a minute. */
  readonly memberAgainMs: number | null;
}

export interface TrialMesh {
  readonly boards: Boards;
  readonly subject: Subject;
  readonly parallelism: number;
  readonly signal: AbortSignal;
}

interface Cast {
  readonly victim: Board;
  readonly entry: Board;
  readonly requestId: RequestId;
}

/** An answer that takes longer is none. */
const LOST_MS = 120_000;
const MEMBER_AGAIN_MS = 60_000;
/** A board that was just started opens its sessions, outside its share. */
const WARM_REQUESTS = 4;

export const traceOf = async (entry: Board, requestId: RequestId, signal: AbortSignal): Promise<RequestTrace> =>
  (await getJson([entry.url], `/tilemesh/v1/requests/${requestId}/trace`, signal)) as RequestTrace;

/** Each board is the victim in its turn; the next one is the entry, so that the client gets its answer from a healthy board. */
function castFor({ boards: { boards } }: TrialMesh, role: Role, turn: number): Cast {
  const [victim, entry, other] = [0, 1, 2].map((offset) => boards[(turn + offset) % boards.length]!);
  const coordinator = role === 'coordinator' ? victim! : other!;
  const requestId = requestIdFor(
    coordinator.id,
    boards.map(({ id }) => id),
  );
  return { victim: victim!, entry: entry!, requestId };
}

/** @returns undefined where the request was not hit as meant: it was answered before, or the victim had another part in it. */
export async function runTrial(
  mesh: TrialMesh,
  kind: RecoveryKind,
  role: Role,
  { stage, atMs }: Moment,
  usualMs: number,
  turn: number,
): Promise<Trial | undefined> {
  const { boards, subject, parallelism, signal } = mesh;
  const { victim, entry, requestId } = castFor(mesh, role, turn);
  const number = boards.boards.indexOf(victim) + 1;
  const sentMs = performance.now();
  const answered = new AbortController();
  const strike = async (): Promise<{ readonly faultMs: number; readonly undo: Undo } | undefined> => {
    const isDue = await setTimeout(atMs, true, { signal: answered.signal }).catch(() => false);
    if (!isDue) return undefined;
    const faultMs = performance.now() - sentMs;
    return { faultMs, undo: await begin(boards, kind, number) };
  };
  const striking = strike();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LOST_MS)]);
  const outcome = await ask(entry, subject.model, { parallelism, requestId, signal: limit }).catch((error: unknown) =>
    toMeshError(error),
  );
  answered.abort();
  const struck = await striking;
  if (struck === undefined) {
    if (outcome instanceof MeshError) throw outcome;
    return undefined;
  }
  const trace = await traceOf(entry, requestId, signal).catch(() => undefined);
  const memberAgainMs = await heal(mesh, kind, number, struck.undo);
  signal.throwIfAborted();
  const difference = outcome instanceof MeshError ? null : checkAnswer(subject.expected, outcome);
  if (trace !== undefined && !isHit(trace, victim, role)) return undefined;
  return {
    kind,
    role,
    victim: victim.name,
    stage: stage.name,
    block: trace === undefined ? null : blockAt(trace, struck.faultMs),
    faultMs: struck.faultMs,
    usualMs,
    ...figuresOf(outcome),
    difference,
    reuse: trace === undefined ? null : reuseIn(trace, victim.id, struck.faultMs),
    memberAgainMs,
  };
}

const figuresOf = (outcome: Reply | MeshError): Pick<Trial, 'latencyMs' | 'failure' | 'term' | 'attempts'> =>
  outcome instanceof MeshError
    ? { latencyMs: null, failure: `${outcome.code}: ${outcome.message}`, term: 0, attempts: 0 }
    : { latencyMs: outcome.clientMs, failure: null, term: outcome.report.term, attempts: outcome.report.attempts };

/** Whether the victim had that part in the first plan. A coordinator that died before it told its plan is known to its entry. */
export function isHit({ attempts, peers }: RequestTrace, { id }: Pick<Board, 'id'>, role: Role): boolean {
  const marks = peers.flatMap((peer) => peer.marks);
  const first = marks.find(({ what, term }) => what === 'accepted' && term === 1)?.peer ?? attempts[0]?.coordinator;
  if (role === 'coordinator') return first === id;
  return first !== id && attempts[0]?.plan?.participants.includes(id) !== false;
}

/** Undoes it; returns how long the mesh took to be one again. */
async function heal(
  { boards, subject, parallelism, signal }: TrialMesh,
  kind: RecoveryKind,
  number: number,
  undo: Undo,
): Promise<number | null> {
  // Starting is not what is measured, and takes minutes at a small share.
  if (kind === 'kill') await boards.limitBoard(number, null);
  const startMs = performance.now();
  await undo();
  const patience = AbortSignal.any([signal, AbortSignal.timeout(MEMBER_AGAIN_MS)]);
  const memberAgainMs = await boards.formMesh(patience).then(
    () => performance.now() - startMs,
    () => null,
  );
  signal.throwIfAborted();
  if (kind === 'kill') {
    for (let turn = 0; turn < WARM_REQUESTS; turn++) {
      const entry = boards.boards[turn % boards.boards.length]!;
      checkAnswer(subject.expected, await ask(entry, subject.model, { parallelism, signal }));
    }
    await boards.limitBoard(number, boards.cores);
  }
  return memberAgainMs;
}
