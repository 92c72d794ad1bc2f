/** What a coordinator, its participants and the entry say to each other about one plan. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { ModelId, PeerId, PlanDigest, RequestId } from '../../src/core/ids.ts';
import type { Codec } from '../codec.ts';
import * as fields from '../fields.ts';
import type { Failure } from '../fields.ts';
import { MAX_PLAN_BYTES, MAX_PROGRESS_TILES, MAX_REPORT_BYTES } from './constants.ts';
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
  readonly digest: PlanDigest;
  /** JSON; absent where the participant is taken to have it. */
  readonly plan?: Uint8Array;
  /** Holds the inputs and wants the outputs. */
  readonly entry: PeerId;
  /** Whether the coordinator holds the inputs back until this participant is ready. */
  readonly isAwaited: boolean;
  /** Time left until the client gives up; 0 where the coordinator does not say. */
  readonly deadlineMs: number;
}

/** Participant to coordinator: weights and sessions are in place. Where it is awaited, or has said that it prepares. */
export interface Ready extends Addressed {
  readonly kind: 'ready';
}

/** Participant to coordinator: plan without me. */
export interface Refuse extends Addressed, Failure {
  readonly kind: 'refuse';
}

/** Participant to coordinator: still fetching weights or opening sessions. */
export interface Preparing extends Addressed {
  readonly kind: 'preparing';
  readonly completedBytes: number;
  readonly totalBytes: number;
}

/** A tile by its place in the plan. */
export interface TilePlace {
  readonly block: number;
  readonly part: number;
}

/** Participant to coordinator: these tiles are computed since the last such message; none: one is being computed. */
export interface Progress extends Addressed {
  readonly kind: 'progress';
  readonly tiles: readonly TilePlace[];
}

/** Participant to coordinator: all my tiles are computed and sent. */
export interface Finished extends Addressed {
  readonly kind: 'finished';
  /** JSON. */
  readonly report: Uint8Array;
}

/** Participant or entry to coordinator: I cannot go on. */
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

/** Participant or entry to coordinator: I do not have this plan, send it in full. */
export interface Lack extends Addressed {
  readonly kind: 'lack';
  /** Whether it was asked for by a feed, not by an assign. */
  readonly isFeed: boolean;
}

/** Participant to coordinator: pieces came before the plan and were too many to keep; begin again, with all ready first. */
export interface Missed extends Addressed {
  readonly kind: 'missed';
}

/** Coordinator to entry: this is the plan, hand the inputs to those that read them and take the outputs. */
export interface Feed extends Addressed {
  readonly kind: 'feed';
  readonly digest: PlanDigest;
  /** JSON; absent where the entry is taken to have it. */
  readonly plan?: Uint8Array;
}

/** Entry to coordinator: the inputs are on their way. */
export interface Fed extends Addressed {
  readonly kind: 'fed';
}

export type PlanMessage =
  Assign | Ready | Refuse | Preparing | Progress | Finished | Failed | Abort | Lack | Missed | Feed | Fed;

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
      return {
        case: 'assign',
        value: {
          ...encodePlan(message),
          modelId: fields.fromHex(message.modelId),
          entry: message.entry,
          isAwaited: message.isAwaited,
          deadlineMs: fields.uint32(message.deadlineMs),
        },
      };
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
        value: { tiles: message.tiles.map(({ block, part }) => ({ block, part })) },
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
    case 'lack':
      return { case: 'lack', value: { isFeed: message.isFeed } };
    case 'missed':
      return { case: 'missed', value: {} };
    case 'feed':
      return { case: 'feed', value: encodePlan(message) };
    case 'fed':
      return { case: 'fed', value: {} };
  }
}

function decodeKind({ kind }: Envelope): Kind<PlanMessage> {
  switch (kind.case) {
    case 'assign':
      return {
        kind: 'assign',
        modelId: fields.modelId(kind.value.modelId),
        ...decodePlan(kind.value),
        entry: fields.peerId(kind.value.entry),
        isAwaited: kind.value.isAwaited,
        deadlineMs: kind.value.deadlineMs,
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
        tiles: fields.list(kind.value.tiles, MAX_PROGRESS_TILES, 'tiles').map(({ block, part }) => ({ block, part })),
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
    case 'lack':
      return { kind: 'lack', isFeed: kind.value.isFeed };
    case 'missed':
      return { kind: 'missed' };
    case 'feed':
      return { kind: 'feed', ...decodePlan(kind.value) };
    case 'fed':
      return { kind: 'fed' };
    case undefined:
      throw fields.invalid('a plan message is of no known kind');
  }
}

const encodePlan = ({ digest, plan }: Pick<Assign, 'digest' | 'plan'>) => ({
  digest: fields.fromHex(digest),
  ...(plan === undefined ? {} : { plan }),
});

const decodePlan = ({ digest, plan }: { readonly digest: Uint8Array; readonly plan?: Uint8Array | undefined }) => ({
  digest: fields.planDigest(digest),
  ...(plan === undefined ? {} : { plan: fields.blob(plan, MAX_PLAN_BYTES, 'plan') }),
});
