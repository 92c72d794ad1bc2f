/** Several named arrays to a model, through the Open Inference Protocol with its binary extension. */
import { DATATYPES, typeOf } from '../api/open-inference/datatypes.ts';
import { summarise } from '../../models/tasks/answer.ts';
import { readNpy, writeNpy } from '../../models/tasks/npy.ts';
import { MeshError } from '../core/errors.ts';
import { tensor, type Tensor } from '../core/tensor/tensor.ts';
import { postBytes } from './client.ts';
import type { RunRequest, RunResult } from './run-request.ts';
import { UsageError } from './exit.ts';
import { readInput } from './input-file.ts';

const HEADER_LENGTH = 'inference-header-content-length';

interface ReplyDocument {
  readonly parameters: { readonly request_id: string; readonly cut: string };
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly parameters: { readonly binary_data_size: number };
  }[];
}

export interface NamedTensor {
  readonly name: string;
  readonly array: Tensor;
}

/** @param assignments `name=file.npy` each. @throws UsageError for anything else. */
export async function runTensors(request: RunRequest, assignments: readonly string[]): Promise<RunResult> {
  const { requestId, outputs } = await postTensors(request, await Promise.all(assignments.map(readAssignment)));
  return {
    requestId,
    answer: { kind: 'tensors', tensors: outputs.map(([name, value]) => summarise(name, value)) },
    ...(request.wantsTensors
      ? { outputs: outputs.map(([name, value]) => ({ name, npy: Buffer.from(writeNpy(value)).toString('base64') })) }
      : {}),
  };
}

export interface TensorReply {
  readonly requestId: string;
  /** How the planner cut it. */
  readonly cut: string;
  readonly outputs: readonly (readonly [string, Tensor])[];
}

/** @throws UnreachableError, and MeshError with the code and words of the peer. */
export async function postTensors(request: RunRequest, inputs: readonly NamedTensor[]): Promise<TensorReply> {
  const document = Buffer.from(
    JSON.stringify({
      id: request.requestId,
      parameters: {
        parallelism: request.parallelism,
        verify: request.verify,
        deadline_ms: request.deadlineMs,
        binary_data_output: true,
      },
      inputs: inputs.map(({ name, array }) => ({
        name,
        datatype: DATATYPES[array.type],
        shape: array.shape,
        parameters: { binary_data_size: array.bytes.byteLength },
      })),
    }),
  );
  const response = await postBytes(request.urls, {
    path: `/v2/models/${encodeURIComponent(request.model)}/infer`,
    headers: { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(document.byteLength) },
    body: Buffer.concat([document, ...inputs.map(({ array }) => array.bytes)]),
    signal: request.signal,
  });
  return readReply(new Uint8Array(await response.arrayBuffer()), Number(response.headers.get(HEADER_LENGTH)));
}

async function readAssignment(text: string): Promise<NamedTensor> {
  const [, name, file] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || file === undefined) throw new UsageError(`--input "${text}" is not NAME=FILE.npy`);
  return { name, array: readNpy(await readInput(file)) };
}

function readReply(body: Uint8Array, headerBytes: number): TensorReply {
  const document = JSON.parse(new TextDecoder().decode(body.subarray(0, headerBytes))) as ReplyDocument;
  let offset = headerBytes;
  const outputs = document.outputs.map((output): readonly [string, Tensor] => {
    const type = typeOf(output.datatype);
    if (type === undefined) throw new MeshError('INVALID_MESSAGE', 'the peer answered with a type that is not known');
    const end = offset + output.parameters.binary_data_size;
    const value = tensor(type, output.shape, body.slice(offset, end));
    offset = end;
    return [output.name, value];
  });
  const { request_id: requestId, cut } = document.parameters;
  return { requestId, cut, outputs };
}
