/** A request in a few words, from what its entry wrote down. */
import type { PeerId, RequestId } from '../ids.ts';
import type { Mark, RequestFacts } from './account.ts';

export type RequestState = 'running' | 'answered' | 'failed';

/** A request in a few words. */
export interface RequestSummary {
  readonly requestId: RequestId;
  readonly model: string;
  readonly entry: PeerId;
  readonly state: RequestState;
  /** Why it failed; empty otherwise. */
  readonly reason: string;
  /** Null while none is elected. */
  readonly coordinator: PeerId | null;
  /** 0 before the first coordinator. */
  readonly term: number;
  /** Unix time, of the entry. */
  readonly arrivedUnixMs: number;
  /** Until the answer, or until now. */
  readonly elapsedMs: number;
}

/** @param marks of the entry. @param nowMs of the entry's clock. */
export function summarise(
  requestId: RequestId,
  entry: PeerId,
  { model, arrivedUnixMs }: Pick<RequestFacts, 'model' | 'arrivedUnixMs'>,
  marks: readonly Mark[],
  nowMs: number,
): RequestSummary {
  const end = marks.find(({ what }) => what === 'answered' || what === 'failed');
  const accepted = marks.findLast(({ what }) => what === 'accepted');
  const arrivedMs = marks.find(({ what }) => what === 'arrived')?.atMs ?? nowMs;
  return {
    requestId,
    model,
    entry,
    state: end === undefined ? 'running' : end.what === 'answered' ? 'answered' : 'failed',
    reason: end?.what === 'failed' ? (end.text ?? '') : '',
    coordinator: accepted?.peer ?? null,
    term: accepted?.term ?? 0,
    arrivedUnixMs,
    elapsedMs: Math.max(0, (end?.atMs ?? nowMs) - arrivedMs),
  };
}
