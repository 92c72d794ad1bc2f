/** One request to a board, as any client sends it, and its answer checked. */
import { randomBytes } from 'node:crypto';
import { readNpy, writeNpy } from '../models/tasks/npy.ts';
import { differenceOf } from '../demo/whole-model.ts';
import { postForEvents } from '../src/cli/client.ts';
import { rankCandidates } from '../src/core/election/rendezvous.ts';
import { MeshError } from '../src/core/errors.ts';
import type { PeerId, RequestId } from '../src/core/ids.ts';
import type { RunReport } from '../src/core/report.ts';
import type { Tensor } from '../src/core/tensor/tensor.ts';
import type { Board } from './emulation/board.ts';
import type { BenchModel } from './model.ts';

export interface AskOptions {
  /** How many boards to cut for; 0: the planner's choice. */
  readonly parallelism: number;
  readonly requestId?: RequestId;
  readonly signal: AbortSignal;
  /** Called whenever the board gives a sign of life. */
  readonly onAlive?: () => void;
}

export interface Reply {
  /** From sending the request to having read the answer. */
  readonly clientMs: number;
  readonly report: RunReport;
  readonly outputs: ReadonlyMap<string, Tensor>;
}

const DEADLINE_MS = 600_000;

const newRequestId = (): RequestId => randomBytes(16).toString('hex') as RequestId;

/** A new request id for which the election will choose this board, of equal ones that all have the model. */
export function requestIdFor(coordinator: PeerId, peers: readonly PeerId[]): RequestId {
  const candidates = peers.map((peer) => ({ peer, weight: 1 }));
  for (;;) {
    const id = newRequestId();
    if (rankCandidates(id, candidates)[0] === coordinator) return id;
  }
}

/** @throws MeshError of the mesh, UnreachableError. */
export async function ask(board: Board, { name, inputs }: BenchModel, options: AskOptions): Promise<Reply> {
  const { parallelism, requestId = newRequestId(), signal, onAlive } = options;
  const [input, ...others] = inputs.values();
  if (input === undefined || others.length > 0) {
    throw new MeshError('INVALID_ARGUMENT', `${name} has ${inputs.size} inputs, and only models with one are measured`);
  }
  const body = writeNpy(input);
  const startedMs = performance.now();
  const { report, outputs } = (await postForEvents(
    [board.url],
    {
      path: `/tilemesh/v1/models/${name}/run`,
      query: { requestId, outputs: 'npy', parallelism: String(parallelism), deadlineMs: String(DEADLINE_MS) },
      body,
      headers: { 'content-type': 'application/x-npy' },
      signal,
    },
    () => undefined,
    onAlive,
  )) as {
    readonly report: RunReport;
    readonly outputs: readonly { readonly name: string; readonly npy: string }[];
  };
  const clientMs = performance.now() - startedMs;
  const arrays = outputs.map(
    (output) => [output.name, readNpy(new Uint8Array(Buffer.from(output.npy, 'base64')))] as const,
  );
  return { clientMs, report, outputs: new Map(arrays) };
}

/** What an answer has to equal, and how far it may be from it, relative to the largest value. */
export interface Expected {
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly tolerance: number;
}

/** Largest difference of an answer, relative to the largest value. @throws MeshError INTERNAL beyond the tolerance. */
export function checkAnswer({ outputs, tolerance }: Expected, reply: Reply): number {
  const { maxRel } = differenceOf(outputs, reply.outputs);
  if (maxRel <= tolerance) return maxRel;
  throw new MeshError(
    'INTERNAL',
    `a wrong answer: it differs by ${maxRel} of the largest value from the whole model's`,
  );
}
