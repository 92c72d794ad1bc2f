/** The service as grpc-js wants it, from the generated description of `protocols/inference/inference.proto`. */
import {
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type Message,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { MeshError } from '../../core/errors.ts';
import { assertLight } from './weight.ts';
import { GRPCInferenceService } from '../../../protocols/inference/inference_pb.js';

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** @throws MeshError INVALID_INPUT, with which the framework answers the caller. */
function parse<Input extends DescMessage>(input: Input, bytes: Uint8Array): MessageShape<Input> {
  try {
    assertLight(input, bytes);
    return fromBinary(input, bytes);
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    throw new MeshError('INVALID_INPUT', `this is no ${input.name}, or it is damaged: send it again`, { cause });
  }
}

const methodDefinition = ({ name, input, output, methodKind }: DescMethod): MethodDefinition<Message, Message> => ({
  path: `/${GRPCInferenceService.typeName}/${name}`,
  requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
  responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
  requestSerialize: (message) => asBuffer(toBinary(input, message)),
  requestDeserialize: (bytes) => parse(input, bytes),
  responseSerialize: (message) => asBuffer(toBinary(output, message)),
  responseDeserialize: (bytes) => fromBinary(output, bytes),
});

/** By the names of methods as the generated code has them, `modelInfer` say. */
export const SERVICE: ServiceDefinition = Object.fromEntries(
  GRPCInferenceService.methods.map((method) => [method.localName, methodDefinition(method)]),
);
