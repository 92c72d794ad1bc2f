/**
 * `overload`: one peer with a small model, asked by far more clients at once than it can serve. What it answers a second then,
 * against the most it answers to any number of clients that it takes; how quickly it says no, what memory it takes, and whether
 * it is as before when they have gone.
 */
import { Boards } from '../../demo/boards.ts';
import { MeshError } from '../../src/core/errors.ts';
import type { BenchContext } from '../context.ts';
import { describeMachine, watchLoad, type Load, type Machine } from '../measure/machine.ts';
import { memoryBytes } from '../measure/threads.ts';
import { Client, postRequest } from './client.ts';
import { serve, type Served } from './crowd.ts';

export interface OverloadOptions {
  /** Numbers of clients that the peer takes, tried one after the other. */
  readonly clients: readonly number[];
  /** That ask at once in the end. */
  readonly crowd: number;
  /** How long each number is kept up. */
  readonly seconds: number;
}

export interface OverloadResult {
  readonly schema: 'tilemesh.bench.overload/1';
  readonly machine: Machine;
  readonly setting: OverloadOptions;
  readonly taken: readonly Served[];
  readonly crowd: Served;
  /** As many clients as answered best, once more, after the crowd. */
  readonly afterwards: Served;
  /** Requests a second under overload by the most without. */
  readonly goodput: number;
  readonly memory: {
    /** Before the crowd came. */
    readonly beforeBytes: number;
    /** The most at any time. */
    readonly peakBytes: number;
  };
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

/** What of an answer is the same each time. */
const outputsIn = (body: string): string => body.slice(body.indexOf('"outputs"'));

export async function measureOverload(options: OverloadOptions, context: BenchContext): Promise<OverloadResult> {
  const { cleanUp, signal, progress } = context;
  const boards = await Boards.start(1);
  cleanUp.defer(async () => {
    await boards.stop();
  });
  const [board] = boards.boards;
  const pid = board!.process.pid!;
  const url = new URL('/v2/models/lenet5/infer', board!.url);
  const request = postRequest(url, BODY);
  const outputs = outputsIn(await firstAnswer(url, request, signal));
  const isRight = (body: string): boolean => outputsIn(body) === outputs;
  const serveClients = (clients: number, seconds: number): Promise<Served> => {
    progress(`${clients} clients`);
    return serve({ url, pid, request, isRight, clients, seconds, signal });
  };
  await serveClients(2, WARM_SECONDS);
  const stopWatching = await watchLoad();
  const taken: Served[] = [];
  for (const clients of options.clients) taken.push(await serveClients(clients, options.seconds));
  const beforeBytes = await memoryBytes(pid, 'now');
  const crowd = await serveClients(options.crowd, options.seconds);
  const peakBytes = await memoryBytes(pid, 'peak');
  const best = taken.reduce((most, next) => (next.perSecond > most.perSecond ? next : most));
  return {
    schema: 'tilemesh.bench.overload/1',
    machine: describeMachine(),
    setting: options,
    taken,
    crowd,
    afterwards: await serveClients(best.clients, options.seconds),
    goodput: crowd.perSecond / best.perSecond,
    memory: { beforeBytes, peakBytes },
    load: await stopWatching(),
  };
}

/** @throws MeshError INTERNAL. */
async function firstAnswer(url: URL, request: Buffer, signal: AbortSignal): Promise<string> {
  const client = await Client.connect(url, url.hostname);
  try {
    const { status, body } = await client.ask(request, signal);
    if (status === 200) return body;
    throw new MeshError('INTERNAL', `an idle peer answers with ${status}: ${body}`);
  } finally {
    client.close();
  }
}

/** What must not be, in one line; undefined when all is well. */
export function overloadFailure({ taken, crowd, afterwards }: OverloadResult): string | undefined {
  const all = [...taken, crowd, afterwards];
  const [failed, wrong] = (['failed', 'wrong'] as const).map((kind) => all.reduce((sum, row) => sum + row[kind], 0));
  if (failed === 0 && wrong === 0) return undefined;
  return `${failed} requests were neither answered nor refused, ${wrong} answered wrongly`;
}
