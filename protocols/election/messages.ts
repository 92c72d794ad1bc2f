/** What entry and coordinator say to each other about one request. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { ModelId, PeerId, RequestId } from '../../src/core/ids.ts';
import { isDataType, type DataType } from '../../src/core/tensor/data-type.ts';
import type { Shape } from '../../src/core/tensor/tensor.ts';
import type { Codec } from '../codec.ts';
import * as fields from '../fields.ts';
import type { Failure } from '../fields.ts';
import { MAX_AVOIDED, MAX_RANK, MAX_REPORT_BYTES, MAX_STAGE_CHARS, MAX_TENSORS } from './constants.ts';
import { EnvelopeSchema, type Envelope, type TensorSpec as WireSpec } from './election_pb.js';

/** A tensor without its elements. */
export interface TensorSpec {
  readonly name: string;
  readonly type: DataType;
  readonly shape: Shape;
}

interface Addressed {
  readonly requestId: RequestId;
  /** Counts the coordinators of this request, from 1. */
  readonly term: number;
}

/** Entry to candidate: coordinate this request. */
export interface Propose extends Addressed {
  readonly kind: 'propose';
  readonly modelId: ModelId;
  /** Most peers to use; 0 leaves it to the planner. */
  readonly parallelism: number;
  /** Time left until the client gives up. */
  readonly deadlineMs: number;
  readonly inputs: readonly TensorSpec[];
  /** Peers to plan without. The candidate itself among them: it plans, and computes nothing. */
  readonly avoid: readonly PeerId[];
}

/** Candidate to entry: I hold the lease from now on. */
export interface Accept extends Addressed {
  readonly kind: 'accept';
  readonly leaseMs: number;
}

/** Candidate to entry: ask somebody else. */
export interface Decline extends Addressed, Failure {
  readonly kind: 'decline';
}

/** Coordinator to entry: the lease holds on, and this is how far the request has come. */
export interface Renew extends Addressed {
  readonly kind: 'renew';
  readonly stage: string;
  readonly completed: number;
  readonly total: number;
}

/** Coordinator to entry: all is computed, and the participants have sent you the outputs. */
export interface Complete extends Addressed {
  readonly kind: 'complete';
  /** JSON. */
  readonly report: Uint8Array;
}

/** Coordinator to entry: the request cannot be answered in this term. */
export interface Fail extends Addressed, Failure {
  readonly kind: 'fail';
  /** Peer whose loss caused it. */
  readonly lostPeer?: PeerId;
}

/** Entry to coordinator: nobody wants the answer any more. */
export interface Cancel extends Addressed {
  readonly kind: 'cancel';
}

export type ElectionMessage = Propose | Accept | Decline | Renew | Complete | Fail | Cancel;

/** Frames of `/tilemesh/election/1.0.0`. */
export const electionCodec: Codec<ElectionMessage> = {
  encode: (message) =>
    toBinary(
      EnvelopeSchema,
      create(EnvelopeSchema, {
        requestId: fields.fromHex(message.requestId),
        term: message.term,
        kind: encodeKind(message),
      }),
    ),
  decode: (bytes) => {
    const envelope = fields.parseMessage(EnvelopeSchema, bytes);
    const addressed = {
      requestId: fields.requestId(envelope.requestId),
      term: fields.ordinal(envelope.term, 'term'),
    };
    return { ...addressed, ...decodeKind(envelope) };
  },
};

type Kind<M> = M extends unknown ? Omit<M, keyof Addressed> : never;

function encodeKind(message: ElectionMessage): NonNullable<MessageInitShape<typeof EnvelopeSchema>['kind']> {
  switch (message.kind) {
    case 'propose':
      return {
        case: 'propose',
        value: {
          modelId: fields.fromHex(message.modelId),
          parallelism: fields.uint32(message.parallelism),
          deadlineMs: fields.uint32(message.deadlineMs),
          inputs: message.inputs.map(encodeSpec),
          avoid: message.avoid.slice(0, MAX_AVOIDED),
        },
      };
    case 'accept':
      return { case: 'accept', value: { leaseMs: fields.uint32(message.leaseMs) } };
    case 'decline':
      return { case: 'decline', value: fields.encodeFailure(message) };
    case 'renew':
      return {
        case: 'renew',
        value: {
          stage: fields.shortened(message.stage, MAX_STAGE_CHARS),
          completed: fields.uint32(message.completed),
          total: fields.uint32(message.total),
        },
      };
    case 'complete':
      return { case: 'complete', value: { report: message.report } };
    case 'fail':
      return {
        case: 'fail',
        value: {
          ...fields.encodeFailure(message),
          ...(message.lostPeer === undefined ? {} : { lostPeer: message.lostPeer }),
        },
      };
    case 'cancel':
      return { case: 'cancel', value: {} };
  }
}

function decodeKind({ kind }: Envelope): Kind<ElectionMessage> {
  switch (kind.case) {
    case 'propose':
      return {
        kind: 'propose',
        modelId: fields.modelId(kind.value.modelId),
        parallelism: kind.value.parallelism,
        deadlineMs: kind.value.deadlineMs,
        inputs: decodeSpecs(kind.value.inputs, 'inputs'),
        avoid: fields.list(kind.value.avoid, MAX_AVOIDED, 'peers to avoid').map(fields.peerId),
      };
    case 'accept':
      return { kind: 'accept', leaseMs: kind.value.leaseMs };
    case 'decline':
      return { kind: 'decline', ...fields.decodeFailure(kind.value) };
    case 'renew':
      return {
        kind: 'renew',
        stage: fields.text(kind.value.stage, MAX_STAGE_CHARS, 'stage'),
        completed: kind.value.completed,
        total: kind.value.total,
      };
    case 'complete':
      return { kind: 'complete', report: fields.blob(kind.value.report, MAX_REPORT_BYTES, 'report') };
    case 'fail':
      return {
        kind: 'fail',
        ...fields.decodeFailure(kind.value),
        ...(kind.value.lostPeer === undefined ? {} : { lostPeer: fields.peerId(kind.value.lostPeer) }),
      };
    case 'cancel':
      return { kind: 'cancel' };
    case undefined:
      throw fields.invalid('an election message is of no known kind');
  }
}

const encodeSpec = ({ name, type, shape }: TensorSpec): { name: string; type: string; shape: number[] } => ({
  name,
  type,
  shape: [...shape],
});

const decodeSpecs = (specs: readonly WireSpec[], field: string): TensorSpec[] =>
  fields.list(specs, MAX_TENSORS, field).map(({ name, type, shape }) => {
    if (!isDataType(type)) throw fields.invalid(`'${type.slice(0, 64)}' is no element type`);
    return {
      name: fields.text(name, fields.MAX_NAME_CHARS, 'tensor name'),
      type,
      shape: fields.list(shape, MAX_RANK, 'shape'),
    };
  });
