/** Clients that ask again as soon as they are answered, and what came of it. */
import { MeshError } from '../../core/errors.ts';

/** Asks once. @returns how the request was cut. @throws MeshError, UnreachableError. */
export type Ask = (signal: AbortSignal) => Promise<string>;

export interface AskingOptions {
  /** In all. */
  readonly requests: number;
  readonly clients: number;
  readonly signal: AbortSignal;
  readonly onAnswer: (completed: number) => void;
  /** Milliseconds, of any origin. */
  readonly now: () => number;
}

export interface Asked {
  /** Of each answer, in the order in which they came. */
  readonly latenciesMs: readonly number[];
  readonly elapsedMs: number;
  /** Turned away because too much was in hand. */
  readonly refused: number;
  readonly failed: number;
  /** What the first of those said that failed or were refused. */
  readonly complaint?: string;
  /** How often each cut was chosen, most often first. */
  readonly cuts: readonly { readonly cut: string; readonly count: number }[];
}

const REFUSALS: ReadonlySet<string> = new Set(['OVERLOADED', 'RATE_LIMITED', 'UNAVAILABLE']);

/** @throws whatever is no MeshError, UnreachableError above all: nobody is there to ask further. */
export async function askOften(ask: Ask, options: AskingOptions): Promise<Asked> {
  const { requests, clients, signal, onAnswer, now } = options;
  const latenciesMs: number[] = [];
  const cuts = new Map<string, number>();
  let [begun, completed, refused, failed] = [0, 0, 0, 0];
  let complaint: string | undefined;
  const client = async (): Promise<void> => {
    while (begun < requests && !signal.aborted) {
      begun++;
      const askedMs = now();
      try {
        const cut = await ask(signal);
        latenciesMs.push(now() - askedMs);
        cuts.set(cut, (cuts.get(cut) ?? 0) + 1);
      } catch (error) {
        if (!(error instanceof MeshError)) throw error;
        complaint ??= error.message;
        if (REFUSALS.has(error.code)) refused++;
        else failed++;
      }
      onAnswer(++completed);
    }
  };
  const beganMs = now();
  await Promise.all(Array.from({ length: Math.min(clients, requests) }, client));
  signal.throwIfAborted();
  return {
    latenciesMs,
    elapsedMs: now() - beganMs,
    refused,
    failed,
    ...(complaint === undefined ? {} : { complaint }),
    cuts: [...cuts].map(([cut, count]) => ({ cut, count })).sort((a, b) => b.count - a.count),
  };
}

/** Milliseconds; null where nothing was answered. */
export interface Latency {
  readonly least: number;
  readonly median: number;
  readonly p95: number;
  readonly p99: number;
  readonly most: number;
}

/** By the nearest rank. */
export function latencyOf(latenciesMs: readonly number[]): Latency | null {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  if (sorted.length === 0) return null;
  return { least: at(0), median: at(0.5), p95: at(0.95), p99: at(0.99), most: at(1) };
}
