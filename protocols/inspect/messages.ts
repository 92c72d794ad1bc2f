/** What peers ask each other about themselves, and the frames that answer it. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { PlanDigest, RequestId } from '../../src/core/ids.ts';
import type { Codec } from '../codec.ts';
import * as fields from '../fields.ts';
import type { Failure } from '../fields.ts';
import { MAX_DOCUMENT_BYTES } from './constants.ts';
import { AnswerSchema, QuestionSchema } from './inspect_pb.js';

export type Question =
  | { readonly kind: 'clock' }
  | { readonly kind: 'requests' | 'card' }
  | { readonly kind: 'account'; readonly requestId: RequestId }
  | { readonly kind: 'plan'; readonly digest: PlanDigest };

export type Answer =
  | { readonly kind: 'clock'; readonly clockMs: number }
  | { readonly kind: 'document'; readonly bytes: Uint8Array }
  | { readonly kind: 'absent' }
  | ({ readonly kind: 'refused' } & Failure);

export const questionCodec: Codec<Question> = {
  encode: (question) => toBinary(QuestionSchema, create(QuestionSchema, { kind: encodeQuestion(question) })),
  decode: (bytes) => {
    const { kind } = fields.parseMessage(QuestionSchema, bytes);
    switch (kind.case) {
      case 'clock':
      case 'requests':
      case 'card':
        return { kind: kind.case };
      case 'account':
        return { kind: 'account', requestId: fields.requestId(kind.value) };
      case 'plan':
        return { kind: 'plan', digest: fields.planDigest(kind.value) };
      case undefined:
        throw fields.invalid('a question is of no known kind');
    }
  },
};

function encodeQuestion(question: Question): NonNullable<MessageInitShape<typeof QuestionSchema>['kind']> {
  switch (question.kind) {
    case 'account':
      return { case: 'account', value: fields.fromHex(question.requestId) };
    case 'plan':
      return { case: 'plan', value: fields.fromHex(question.digest) };
    case 'clock':
    case 'requests':
    case 'card':
      return { case: question.kind, value: {} };
  }
}

export const answerCodec: Codec<Answer> = {
  encode: (answer) => toBinary(AnswerSchema, create(AnswerSchema, { kind: encodeAnswer(answer) })),
  decode: (bytes) => {
    const { kind } = fields.parseMessage(AnswerSchema, bytes);
    switch (kind.case) {
      case 'clockMs':
        return { kind: 'clock', clockMs: fields.quantity(kind.value, 'clock') };
      case 'document':
        return { kind: 'document', bytes: fields.blob(kind.value, MAX_DOCUMENT_BYTES, 'document') };
      case 'absent':
        return { kind: 'absent' };
      case 'refused':
        return { kind: 'refused', ...fields.decodeFailure(kind.value) };
      case undefined:
        throw fields.invalid('an answer is of no known kind');
    }
  },
};

function encodeAnswer(answer: Answer): NonNullable<MessageInitShape<typeof AnswerSchema>['kind']> {
  switch (answer.kind) {
    case 'clock':
      return { case: 'clockMs', value: answer.clockMs };
    case 'document':
      return { case: 'document', value: answer.bytes };
    case 'absent':
      return { case: 'absent', value: {} };
    case 'refused':
      return { case: 'refused', value: fields.encodeFailure(answer) };
  }
}
