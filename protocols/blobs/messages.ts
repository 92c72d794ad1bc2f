/** Requests for the parts of a model, and the frames that answer them. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { ModelId } from '../../src/core/ids.ts';
import type { Codec } from '../codec.ts';
import * as fields from '../fields.ts';
import type { Failure } from '../fields.ts';
import { RequestSchema, ResponseSchema } from './blobs_pb.js';
import { CHUNK_BYTES, type MAX_ANSWER_BYTES } from './constants.ts';

export type BlobKind = keyof typeof MAX_ANSWER_BYTES;

export type BlobRequest =
  | { readonly kind: Exclude<BlobKind, 'chunk'>; readonly modelId: ModelId }
  | { readonly kind: 'chunk'; readonly modelId: ModelId; readonly index: number };

/** Part of an answer; the parts come in order and fill `totalBytes`. */
export interface BlobPart {
  readonly kind: 'part';
  readonly totalBytes: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export type BlobResponse = BlobPart | { readonly kind: 'absent' } | ({ readonly kind: 'refused' } & Failure);

export const requestCodec: Codec<BlobRequest> = {
  encode: (request) =>
    toBinary(
      RequestSchema,
      create(RequestSchema, {
        modelId: fields.fromHex(request.modelId),
        kind: request.kind === 'chunk' ? { case: 'chunk', value: request.index } : { case: request.kind, value: {} },
      }),
    ),
  decode: (bytes) => {
    const { kind, modelId } = fields.parseMessage(RequestSchema, bytes);
    if (kind.case === undefined) throw fields.invalid('a request for a blob is of no known kind');
    if (kind.case === 'chunk') return { kind: 'chunk', modelId: fields.modelId(modelId), index: kind.value };
    return { kind: kind.case, modelId: fields.modelId(modelId) };
  },
};

export const responseCodec: Codec<BlobResponse> = {
  encode: (response) => toBinary(ResponseSchema, create(ResponseSchema, { kind: encodeKind(response) })),
  decode: (bytes) => {
    const { kind } = fields.parseMessage(ResponseSchema, bytes);
    switch (kind.case) {
      case 'part':
        return {
          kind: 'part',
          totalBytes: kind.value.totalBytes,
          offset: kind.value.offset,
          bytes: fields.blob(kind.value.bytes, CHUNK_BYTES, 'part'),
        };
      case 'absent':
        return { kind: 'absent' };
      case 'refused':
        return { kind: 'refused', ...fields.decodeFailure(kind.value) };
      case undefined:
        throw fields.invalid('an answer for a blob is of no known kind');
    }
  },
};

function encodeKind(response: BlobResponse): NonNullable<MessageInitShape<typeof ResponseSchema>['kind']> {
  switch (response.kind) {
    case 'part':
      return {
        case: 'part',
        value: { totalBytes: response.totalBytes, offset: response.offset, bytes: response.bytes },
      };
    case 'absent':
      return { case: 'absent', value: {} };
    case 'refused':
      return { case: 'refused', value: fields.encodeFailure(response) };
  }
}
