/** What a coordinator and its participants say to each other about one plan. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { ModelId, PeerId, RequestId } from '../../src/core/ids.ts';
import type { Codec } from '../codec.ts';
import * as fields from '../fields.ts';
import type { Failure } from '../fields.ts';
import { MAX_PLAN_BYTES, MAX_REPORT_BYTES } from './constants.ts';
import { EnvelopeSchema, type Envelope } from './plan_pb.js';

interface Addressed {
  readonly requestId: RequestId;
  /** Counts the coordinators of this request, from 1. */
  readonly term: number;
  /** Counts the plans of this term, from 1. */
  readonly attempt: number;
}

/** Coordinator to participant: this is the plan, you are in it. */
export interface Assign extends Addressed {
  readonly kind: 'assign';
  readonly modelId: ModelId;
  /** JSON. */
  readonly plan: Uint8Array;
}

/** Participant to coordinator: weights and sessions are in place. */
export interface Ready extends Addressed {
  readonly kind: 'ready';
}

/** Participant to coordinator: plan without me. */
export interface Refuse extends Addressed, Failure {
  readonly kind: 'refuse';
}

/** Participant to coordinator: still fetching weights. */
export interface Preparing extends Addressed {
  readonly kind: 'preparing';
  readonly completedBytes: number;
  readonly totalBytes: number;
}

/** Participant to coordinator: one of my tiles is computed. */
export interface Progress extends Addressed {
  readonly kind: 'progress';
  readonly block: number;
  readonly part: number;
  readonly computeMs: number;
}

/** Participant to coordinator: all my tiles are computed and sent. */
export interface Finished extends Addressed {
  readonly kind: 'finished';
  /** JSON. */
  readonly report: Uint8Array;
}

/** Participant to coordinator: I cannot go on. */
export interface Failed extends Addressed, Failure {
  readonly kind: 'failed';
  /** Peer whose loss caused it. */
  readonly lostPeer?: PeerId;
}

/** Coordinator to participant: drop what belongs to this attempt. */
export interface Abort extends Addressed {
  readonly kind: 'abort';
  readonly reason: string;
}

export type PlanMessage = Assign | Ready | Refuse | Preparing | Progress | Finished | Failed | Abort;

/** Frames of `/tilemesh/plan/1.0.0`. */
export const planCodec: Codec<PlanMessage> = {
  encode: (message) =>
    toBinary(
      EnvelopeSchema,
      create(EnvelopeSchema, {
        requestId: fields.fromHex(message.requestId),
        term: message.term,
        attempt: message.attempt,
        kind: encodeKind(message),
      }),
    ),
  decode: (bytes) => {
    const envelope = fields.parseMessage(EnvelopeSchema, bytes);
    const addressed = {
      requestId: fields.requestId(envelope.requestId),
      term: fields.ordinal(envelope.term, 'term'),
      attempt: fields.ordinal(envelope.attempt, 'attempt'),
    };
    return { ...addressed, ...decodeKind(envelope) };
  },
};

type Kind<M> = M extends unknown ? Omit<M, keyof Addressed> : never;

function encodeKind(message: PlanMessage): NonNullable<MessageInitShape<typeof EnvelopeSchema>['kind']> {
  switch (message.kind) {
    case 'assign':
      return { case: 'assign', value: { modelId: fields.fromHex(message.modelId), plan: message.plan } };
    case 'ready':
      return { case: 'ready', value: {} };
    case 'refuse':
      return { case: 'refuse', value: fields.encodeFailure(message) };
    case 'preparing':
      return {
        case: 'preparing',
        value: {
          completedBytes: fields.uint64(message.completedBytes),
          totalBytes: fields.uint64(message.totalBytes),
        },
      };
    case 'progress':
      return {
        case: 'progress',
        value: { block: message.block, part: message.part, computeMs: message.computeMs },
      };
    case 'finished':
      return { case: 'finished', value: { report: message.report } };
    case 'failed':
      return {
        case: 'failed',
        value: {
          ...fields.encodeFailure(message),
          ...(message.lostPeer === undefined ? {} : { lostPeer: message.lostPeer }),
        },
      };
    case 'abort':
      return { case: 'abort', value: { reason: fields.shortened(message.reason, fields.MAX_EXPLANATION_CHARS) } };
  }
}

function decodeKind({ kind }: Envelope): Kind<PlanMessage> {
  switch (kind.case) {
    case 'assign':
      return {
        kind: 'assign',
        modelId: fields.modelId(kind.value.modelId),
        plan: fields.blob(kind.value.plan, MAX_PLAN_BYTES, 'plan'),
      };
    case 'ready':
      return { kind: 'ready' };
    case 'refuse':
      return { kind: 'refuse', ...fields.decodeFailure(kind.value) };
    case 'preparing':
      return {
        kind: 'preparing',
        completedBytes: fields.safeInteger(kind.value.completedBytes, 'completed bytes'),
        totalBytes: fields.safeInteger(kind.value.totalBytes, 'total bytes'),
      };
    case 'progress':
      return {
        kind: 'progress',
        block: kind.value.block,
        part: kind.value.part,
        computeMs: fields.quantity(kind.value.computeMs, 'compute time'),
      };
    case 'finished':
      return { kind: 'finished', report: fields.blob(kind.value.report, MAX_REPORT_BYTES, 'report') };
    case 'failed':
      return {
        kind: 'failed',
        ...fields.decodeFailure(kind.value),
        ...(kind.value.lostPeer === undefined ? {} : { lostPeer: fields.peerId(kind.value.lostPeer) }),
      };
    case 'abort':
      return { kind: 'abort', reason: fields.text(kind.value.reason, fields.MAX_EXPLANATION_CHARS, 'reason') };
    case undefined:
      throw fields.invalid('a plan message is of no known kind');
  }
}
