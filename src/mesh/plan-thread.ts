/**
 * Planning in a thread of its own: it takes up to seconds for a large graph on a slow board, and a peer that plans must go
 * on answering, renewing its leases and sending its heartbeats.
 */
import { Worker } from 'node:worker_threads';
import { MeshError } from '../core/errors.ts';
import type { Graph } from '../core/graph/graph.ts';
import type { Arithmetic, InputSpec } from '../core/graph/bind.ts';
import type { Verdicts } from '../core/graph/minimal-filtering.ts';
import type { ModelId } from '../core/ids.ts';
import type { PlanRequest } from '../core/plan/planner.ts';

export type PlanQuestion = Omit<PlanRequest, 'bound'> & {
  readonly inputs: ReadonlyMap<string, InputSpec>;
  /** What the plan is to compute with; where the larger weights of `fast` do not fit the peers, it is `exact` all the same. */
  readonly arithmetic: Arithmetic;
  /** In `fast`. */
  readonly verdicts: Verdicts;
};

/** Makes plans. */
export interface Planner {
  /**
   * The plan for a request, encoded as it crosses the wire.
   * @throws MeshError UNAVAILABLE, INVALID_INPUT.
   */
  plan(question: PlanQuestion, graph: Graph): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** To the thread. The graph comes with the first question about a model only. */
export interface PlanCall extends PlanQuestion {
  readonly call: number;
  readonly graph?: Graph;
}

/** From the thread. */
export type PlanReply =
  | { readonly call: number; readonly plan: Uint8Array }
  | { readonly call: number; readonly code: string; readonly message: string };

const SCRIPT = new URL(
  import.meta.url.endsWith('.ts') ? './plan-thread-worker.ts' : './plan-thread-worker.js',
  import.meta.url,
);

export class PlanThread implements Planner {
  #worker: Worker | undefined;
  #known = new Set<ModelId>();
  #calls = 0;
  readonly #waiting = new Map<number, PromiseWithResolvers<Uint8Array>>();

  constructor() {
    // Starting a thread takes as long as planning does, and the first plan may be one that a lost peer has made urgent.
    this.#start();
  }

  async plan(question: PlanQuestion, graph: Graph): Promise<Uint8Array> {
    const worker = this.#start();
    const call = this.#calls++;
    const waiting = Promise.withResolvers<Uint8Array>();
    this.#waiting.set(call, waiting);
    const message: PlanCall = { ...question, call, ...(this.#known.has(question.modelId) ? {} : { graph }) };
    this.#known.add(question.modelId);
    worker.postMessage(message);
    return waiting.promise;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(SCRIPT, { name: 'planner' });
    worker.unref();
    worker.on('message', (reply: PlanReply) => {
      const waiting = this.#waiting.get(reply.call);
      this.#waiting.delete(reply.call);
      if ('plan' in reply) waiting?.resolve(reply.plan);
      else waiting?.reject(new MeshError(reply.code as MeshError['code'], reply.message));
    });
    worker.on('error', (cause) => this.#end(cause));
    worker.on('exit', () => this.#end(new Error('the planner has ended')));
    this.#worker = worker;
    return worker;
  }

  /** Whoever waits hears of it; the next question starts a new thread. */
  #end(cause: unknown): void {
    this.#worker = undefined;
    this.#known = new Set();
    for (const waiting of this.#waiting.values()) {
      waiting.reject(new MeshError('UNAVAILABLE', 'the planner stopped: try again', { cause }));
    }
    this.#waiting.clear();
  }
}
