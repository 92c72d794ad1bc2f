/**
 * `overload`: one peer with a small model, asked by far more clients at once than it can serve. What it answers a second then,
 * against the most it answers to any number of clients that it takes, and how quickly it says no.
 */
import http from 'node:http';
import { Boards } from '../../demo/boards.ts';
import type { BenchContext } from '../context.ts';
import { describeMachine, watchLoad, type Load, type Machine } from '../measure/machine.ts';
import { quantile } from '../measure/statistics.ts';

export interface OverloadOptions {
  /** Numbers of clients that the peer takes, tried one after the other. */
  readonly clients: readonly number[];
  /** That ask at once in the end. */
  readonly crowd: number;
  /** How long each number is kept up. */
  readonly seconds: number;
}

export interface Served {
  readonly clients: number;
  readonly answered: number;
  readonly refused: number;
  readonly failed: number;
  readonly perSecond: number;
  /** From sending to the refusal in full, at the client. Null where nothing was refused. */
  readonly refusalMs: { readonly median: number; readonly p95: number; readonly max: number } | null;
}

export interface OverloadResult {
  readonly schema: 'tilemesh.bench.overload/1';
  readonly machine: Machine;
  readonly setting: OverloadOptions;
  readonly taken: readonly Served[];
  readonly crowd: Served;
  /** Requests a second under overload by the most without. */
  readonly goodput: number;
  readonly load: Load;
}

const BODY = JSON.stringify({
  inputs: [
    {
      name: 'image',
      datatype: 'FP32',
      shape: [1, 1, 28, 28],
      data: Array.from({ length: 28 * 28 }, (_, index) => ((index * 37) % 19 > 9 ? 1 : 0)),
    },
  ],
});
const WARM_SECONDS = 3;

export async function measureOverload(options: OverloadOptions, context: BenchContext): Promise<OverloadResult> {
  const { cleanUp, signal, progress } = context;
  const boards = await Boards.start(1);
  cleanUp.defer(async () => {
    await boards.stop();
  });
  const url = new URL('/v2/models/lenet5/infer', boards.boards[0]!.url);
  await serve(url, 1, WARM_SECONDS, signal);
  const stopWatching = await watchLoad();
  const taken: Served[] = [];
  for (const clients of options.clients) {
    progress(`${clients} clients`);
    taken.push(await serve(url, clients, options.seconds, signal));
  }
  progress(`${options.crowd} clients`);
  const crowd = await serve(url, options.crowd, options.seconds, signal);
  const most = Math.max(...taken.map(({ perSecond }) => perSecond));
  return {
    schema: 'tilemesh.bench.overload/1',
    machine: describeMachine(),
    setting: options,
    taken,
    crowd,
    goodput: crowd.perSecond / most,
    load: await stopWatching(),
  };
}

interface Reply {
  readonly status: number;
  readonly retryAfterMs: number;
}

/** Clients ask again when they are answered, and, when they are refused, after the time they are told. */
async function serve(url: URL, clients: number, seconds: number, signal: AbortSignal): Promise<Served> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
  const counts = { answered: 0, failed: 0 };
  const refusalsMs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  const client = async (): Promise<void> => {
    while (performance.now() < endMs && !signal.aborted) {
      const sentMs = performance.now();
      const reply = await ask(url, agent, signal).catch(() => undefined);
      if (reply?.status === 200) counts.answered += 1;
      else if (reply?.status === 503) {
        const nowMs = performance.now();
        refusalsMs.push(nowMs - sentMs);
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, Math.min(endMs - nowMs, reply.retryAfterMs))));
      } else counts.failed += 1;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const spanMs = performance.now() - startMs;
  agent.destroy();
  signal.throwIfAborted();
  return {
    clients,
    ...counts,
    refused: refusalsMs.length,
    perSecond: (1000 * counts.answered) / spanMs,
    refusalMs:
      refusalsMs.length === 0
        ? null
        : { median: quantile(refusalsMs, 0.5), p95: quantile(refusalsMs, 0.95), max: Math.max(...refusalsMs) },
  };
}

const ask = (url: URL, agent: http.Agent, signal: AbortSignal): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const options = { method: 'POST', agent, signal, headers: { 'content-type': 'application/json' } };
    const request = http.request(url, options, (response) => {
      response.resume();
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          retryAfterMs: 1000 * Number(response.headers['retry-after'] ?? 1),
        }),
      );
    });
    request.on('error', reject);
    request.end(BODY);
  });
