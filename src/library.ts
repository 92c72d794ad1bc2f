/** Two calls that most programs need: start a peer, and have something computed by its mesh. */
import { sniff } from '../models/tasks/payload.ts';
import { postprocess, preprocess } from '../models/tasks/process.ts';
import type { Answer } from '../models/tasks/answer.ts';
import { prepareInputs } from './api/open-inference/inputs.ts';
import type { InferResult, PeerPort, ProgressListener } from './api/port.ts';
import type { UserConfig } from './config/define.ts';
import { loadConfig, type ResolvedConfig } from './config/load.ts';
import { MeshError } from './core/errors.ts';
import type { RequestId } from './core/ids.ts';
import type { Tensor } from './core/tensor/tensor.ts';
import { createPeer as startPeer, type Peer } from './node.ts';

/**
 * Starts a peer in this process: it listens, looks for others, and takes requests as soon as it is ready.
 *
 * @param config what differs from the defaults, over `mesh.config.ts` in the working folder and the environment; or a whole
 * configuration from `loadConfig`, which is taken as it is.
 * @returns the peer; stop it with `stop()`, or it keeps the process alive.
 * @throws MeshError INVALID_CONFIG, DATA_FOLDER_IN_USE, PORT_IN_USE, STORAGE_FAILED; nothing runs then.
 */
export async function createPeer(config: UserConfig | ResolvedConfig = {}): Promise<Peer> {
  return startPeer('origins' in config ? config : await loadConfig(process.cwd(), config));
}

/**
 * What is to be computed on: an encoded picture, a text in UTF-8 or an .npy file, prepared as the model's task says; the tensor for
 * a model of one input; or tensors by the names of inputs.
 */
export type InferInput = Uint8Array | Tensor | Readonly<Record<string, Tensor>>;

/** How a request is to run; everything may be left out. */
export interface InferOptions {
  /** Number of peers to cut the request over; 0 or absent: the planner chooses. */
  readonly parallelism?: number;
  /** Milliseconds; absent: the peer's default. */
  readonly deadlineMs?: number;
  /** 32 lower-case hexadecimal digits. The same id at the same peer brings the same answer, computed once. */
  readonly requestId?: RequestId;
  /** Whether other peers confirm the answer before it is given, which takes at least twice the work. */
  readonly isVerified?: boolean;
  /** Ends the request early, everywhere. */
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
}

/** The outputs by name, what became of the request, and where the input was not tensors, the answer for people. */
export interface Inference extends InferResult {
  readonly answer?: Answer;
}

/**
 * Has the mesh of `peer` run a model, with this peer as its entry.
 *
 * @param peer one of this process.
 * @param model name or id; a network that comes with tilemesh is made when it is first asked for.
 * @throws MeshError MODEL_NOT_FOUND, INVALID_INPUT, UNSUPPORTED_MEDIA, DEADLINE_EXCEEDED, CANCELLED, OVERLOADED, and those of the mesh.
 */
export async function infer(
  peer: PeerPort,
  model: string,
  input: InferInput,
  { parallelism = 0, signal = new AbortController().signal, ...options }: InferOptions = {},
): Promise<Inference> {
  const found = await peer.taskOf(model);
  if (!(input instanceof Uint8Array)) {
    const inputs = await prepareInputs(byName(input, found.inputs[0]?.name ?? ''), found);
    return peer.infer({ ...options, model, inputs, parallelism, signal });
  }
  const kind = sniff(input);
  if (kind === undefined) {
    throw new MeshError('UNSUPPORTED_MEDIA', 'the input is no picture, text or .npy array: give one, or tensors');
  }
  const { inputs, context } = await preprocess(found.task, { kind, bytes: input }, found.inputs);
  const result = await peer.infer({ ...options, model, inputs, parallelism, signal });
  return { ...result, answer: postprocess(found.task, result.outputs, context) };
}

const byName = (input: Tensor | Readonly<Record<string, Tensor>>, only: string): ReadonlyMap<string, Tensor> =>
  typeof input.type === 'string'
    ? new Map([[only, input as Tensor]])
    : new Map(Object.entries(input as Readonly<Record<string, Tensor>>));
