/** What happened when: who computed which tile, which message travelled from where to where. */
import type { Passage } from './link.ts';

/** Boards are meant by their index. */
export interface TileSpan {
  readonly request: number;
  /** Counts the plans of the request, over all terms. */
  readonly attempt: number;
  readonly board: number;
  readonly lane: number;
  readonly block: number;
  readonly part: number;
  /** In the kernel, without waiting for it. */
  readonly startMs: number;
  readonly endMs: number;
}

/** Why a message is sent. */
export type Purpose = 'piece' | 'input' | 'output' | 'weights' | 'control';

export interface MessageSpan extends Passage {
  readonly request: number;
  readonly purpose: Purpose;
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
  /** Of the tile that reads it, where it is a piece. */
  readonly block: number;
  readonly part: number;
}

/** A moment that explains the rest. */
export interface Mark {
  readonly atMs: number;
  readonly board: number;
  readonly request: number;
  readonly what: string;
}

export interface Traffic {
  bytes: number;
  messages: number;
}

/** Counts everything, and keeps in detail what belongs to the first requests. */
export class Timeline {
  readonly tiles: TileSpan[] = [];
  readonly messages: MessageSpan[] = [];
  readonly marks: Mark[] = [];
  readonly traffic: Readonly<Record<Purpose, Traffic>> = {
    piece: { bytes: 0, messages: 0 },
    input: { bytes: 0, messages: 0 },
    output: { bytes: 0, messages: 0 },
    weights: { bytes: 0, messages: 0 },
    control: { bytes: 0, messages: 0 },
  };
  readonly #detailed: number;

  /** @param detailed number of requests to keep in detail. */
  constructor(detailed: number) {
    this.#detailed = detailed;
  }

  tile(span: TileSpan): void {
    if (span.request < this.#detailed) this.tiles.push(span);
  }

  message(span: MessageSpan): void {
    const traffic = this.traffic[span.purpose];
    traffic.bytes += span.bytes;
    traffic.messages += 1;
    if (span.request < this.#detailed) this.messages.push(span);
  }

  mark(mark: Mark): void {
    if (mark.request < this.#detailed) this.marks.push(mark);
  }
}
