/** What peers say to each other so that a request whose id its client chose is answered once, wherever it is asked again. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { PeerId, RequestId } from '../../src/core/ids.ts';
import type { Codec } from '../codec.ts';
import * as fields from '../fields.ts';
import { EnvelopeSchema, type Envelope } from './answers_pb.js';
import { MAX_ANSWER_BYTES, PART_BYTES } from './constants.ts';

interface Addressed {
  readonly requestId: RequestId;
}

/** Entry to keeper: this request came in here; may I answer it? */
export interface Claim extends Addressed {
  readonly kind: 'claim';
  /** SHA-256 of what is asked, as hexadecimal digits. */
  readonly question: string;
  /** Peer that was said to answer it and does not. */
  readonly insteadOf?: PeerId;
  /** Above 0: another keeper has said yes for the so-manieth time; remember it, do not answer. */
  readonly granted: number;
}

/** Keeper to entry. */
export interface Verdict extends Addressed {
  readonly kind: 'verdict';
  /** Peer that answers it; absent where the id stands for another question. */
  readonly owner?: PeerId;
  /** How often the request has been given out, this time included. */
  readonly generation: number;
}

/** Owner to keeper: there will be no answer. */
export interface Release extends Addressed {
  readonly kind: 'release';
}

/** Entry to owner: give me the answer when you have it. */
export interface Recall extends Addressed {
  readonly kind: 'recall';
  /** Time left until the client gives up. */
  readonly deadlineMs: number;
}

/** Owner to entry: a part of the answer, in order. */
export interface Part extends Addressed {
  readonly kind: 'part';
  /** Of the whole answer, bytes. */
  readonly total: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Owner to entry: I have no such answer, and none under way. */
export interface Absent extends Addressed {
  readonly kind: 'absent';
}

export type AnswerMessage = Claim | Verdict | Release | Recall | Part | Absent;

/** Frames of `/tilemesh/answers/1.0.0`. */
export const answerCodec: Codec<AnswerMessage> = {
  encode: (message) =>
    toBinary(
      EnvelopeSchema,
      create(EnvelopeSchema, { requestId: fields.fromHex(message.requestId), kind: encodeKind(message) }),
    ),
  decode: (bytes) => {
    const envelope = fields.parseMessage(EnvelopeSchema, bytes);
    return { requestId: fields.requestId(envelope.requestId), ...decodeKind(envelope) };
  },
};

type Kind<M> = M extends unknown ? Omit<M, keyof Addressed> : never;

function encodeKind(message: AnswerMessage): NonNullable<MessageInitShape<typeof EnvelopeSchema>['kind']> {
  switch (message.kind) {
    case 'claim': {
      const { question, insteadOf, granted } = message;
      const value = { question: fields.fromHex(question), granted: fields.uint32(granted) };
      return { case: 'claim', value: insteadOf === undefined ? value : { ...value, insteadOf } };
    }
    case 'verdict': {
      const { owner } = message;
      const generation = fields.uint32(message.generation);
      return { case: 'verdict', value: owner === undefined ? { generation } : { generation, owner } };
    }
    case 'release':
      return { case: 'release', value: {} };
    case 'recall':
      return { case: 'recall', value: { deadlineMs: fields.uint32(message.deadlineMs) } };
    case 'part': {
      const { total, offset, bytes } = message;
      return { case: 'part', value: { total, offset, bytes } };
    }
    case 'absent':
      return { case: 'absent', value: {} };
  }
}

function decodeKind({ kind }: Envelope): Kind<AnswerMessage> {
  switch (kind.case) {
    case 'claim': {
      const { question, insteadOf, granted } = kind.value;
      return {
        kind: 'claim',
        question: fields.planDigest(question),
        ...(insteadOf === undefined ? {} : { insteadOf: fields.peerId(insteadOf) }),
        granted,
      };
    }
    case 'verdict': {
      const { owner } = kind.value;
      const generation = fields.ordinal(kind.value.generation, 'generation');
      return { kind: 'verdict', generation, ...(owner === undefined ? {} : { owner: fields.peerId(owner) }) };
    }
    case 'release':
      return { kind: 'release' };
    case 'recall':
      return { kind: 'recall', deadlineMs: kind.value.deadlineMs };
    case 'part': {
      const { total, offset } = kind.value;
      const bytes = fields.blob(kind.value.bytes, PART_BYTES, 'part');
      if (total > MAX_ANSWER_BYTES || offset + bytes.byteLength > total) {
        throw fields.invalid(`a part of an answer ends at ${offset + bytes.byteLength} of ${total} bytes`);
      }
      return { kind: 'part', total, offset, bytes };
    }
    case 'absent':
      return { kind: 'absent' };
    case undefined:
      throw fields.invalid('a message about answers is of no known kind');
  }
}
