/** What a peer says of itself to every other peer, every second. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { ModelId } from '../../src/core/ids.ts';
import type { Codec } from '../codec.ts';
import * as fields from '../fields.ts';
import { MAX_ADDRESS_CHARS, MAX_MODELS, MAX_VERSION_CHARS } from './constants.ts';
import { EnvelopeSchema, type Heartbeat as WireHeartbeat } from './health_pb.js';

export type PeerState = 'joining' | 'alive' | 'draining';

export interface HeldModel {
  readonly id: ModelId;
  readonly name: string;
  /** How much of the weights the peer holds. */
  readonly bytesHeld: number;
  readonly bytesTotal: number;
}

export interface Heartbeat {
  readonly kind: 'heartbeat';
  /** Counts the heartbeats of this run of the peer. */
  readonly sequence: number;
  /** Name of the mesh. */
  readonly mesh: string;
  /** Name of the peer, for people. */
  readonly name: string;
  /** Version of its program. */
  readonly version: string;
  readonly state: PeerState;
  /** Unix time. */
  readonly startedAtMs: number;
  /** Measured multiply-accumulates per second. */
  readonly macsPerSecond: number;
  readonly memoryBudgetBytes: number;
  readonly queueDepth: number;
  readonly activeRequests: number;
  /** Where its HTTP API listens, such as `http://192.168.1.7:8470`. */
  readonly apiAddress?: string;
  /** At most 256. */
  readonly models: readonly HeldModel[];
  /** Share of all its cores in use, 0 to 100. */
  readonly cpuPercent: number;
  /** Resident memory of its process. */
  readonly memoryBytes: number;
}

/** I am leaving on purpose. */
export interface Goodbye {
  readonly kind: 'goodbye';
  readonly reason: string;
}

export type HealthMessage = Heartbeat | Goodbye;

/** Frames of `/tilemesh/health/1.0.0`. */
export const healthCodec: Codec<HealthMessage> = {
  encode: (message) => toBinary(EnvelopeSchema, create(EnvelopeSchema, { kind: encodeKind(message) })),
  decode: (bytes) => {
    const { kind } = fields.parseMessage(EnvelopeSchema, bytes);
    switch (kind.case) {
      case 'heartbeat':
        return decodeHeartbeat(kind.value);
      case 'goodbye':
        return { kind: 'goodbye', reason: fields.text(kind.value.reason, fields.MAX_EXPLANATION_CHARS, 'reason') };
      case undefined:
        throw fields.invalid('a health message is of no known kind');
    }
  },
};

function encodeKind(message: HealthMessage): NonNullable<MessageInitShape<typeof EnvelopeSchema>['kind']> {
  if (message.kind === 'goodbye') {
    return { case: 'goodbye', value: { reason: fields.shortened(message.reason, fields.MAX_EXPLANATION_CHARS) } };
  }
  const { apiAddress } = message;
  return {
    case: 'heartbeat',
    value: {
      sequence: message.sequence,
      mesh: message.mesh,
      name: message.name,
      version: message.version,
      state: message.state,
      startedAtMs: fields.uint64(message.startedAtMs),
      macsPerSecond: message.macsPerSecond,
      memoryBudgetBytes: fields.uint64(message.memoryBudgetBytes),
      queueDepth: fields.uint32(message.queueDepth),
      activeRequests: fields.uint32(message.activeRequests),
      ...(apiAddress === undefined ? {} : { apiAddress }),
      models: message.models.slice(0, MAX_MODELS).map(({ id, name, bytesHeld, bytesTotal }) => ({
        id: fields.fromHex(id),
        name,
        bytesHeld: fields.uint64(bytesHeld),
        bytesTotal: fields.uint64(bytesTotal),
      })),
      cpuPercent: message.cpuPercent,
      memoryBytes: fields.uint64(message.memoryBytes),
    },
  };
}

const decodeHeartbeat = (wire: WireHeartbeat): Heartbeat => ({
  kind: 'heartbeat',
  sequence: wire.sequence,
  mesh: fields.text(wire.mesh, fields.MAX_NAME_CHARS, 'mesh name'),
  name: fields.text(wire.name, fields.MAX_NAME_CHARS, 'peer name'),
  version: fields.text(wire.version, MAX_VERSION_CHARS, 'version'),
  state: peerState(wire.state),
  startedAtMs: fields.safeInteger(wire.startedAtMs, 'start time'),
  macsPerSecond: fields.quantity(wire.macsPerSecond, 'MACs per second'),
  memoryBudgetBytes: fields.safeInteger(wire.memoryBudgetBytes, 'memory budget'),
  queueDepth: wire.queueDepth,
  activeRequests: wire.activeRequests,
  ...(wire.apiAddress === undefined
    ? {}
    : { apiAddress: fields.text(wire.apiAddress, MAX_ADDRESS_CHARS, 'API address') }),
  models: fields.list(wire.models, MAX_MODELS, 'models').map(({ id, name, bytesHeld, bytesTotal }) => ({
    id: fields.modelId(id),
    name: fields.text(name, fields.MAX_NAME_CHARS, 'model name'),
    bytesHeld: fields.safeInteger(bytesHeld, 'bytes held'),
    bytesTotal: fields.safeInteger(bytesTotal, 'bytes in total'),
  })),
  cpuPercent: fields.quantity(wire.cpuPercent, 'CPU share'),
  memoryBytes: fields.safeInteger(wire.memoryBytes, 'memory in use'),
});

const PEER_STATES: Readonly<Record<PeerState, true>> = { joining: true, alive: true, draining: true };

function peerState(value: string): PeerState {
  if (!Object.hasOwn(PEER_STATES, value)) throw fields.invalid(`'${value.slice(0, 64)}' is no state of a peer`);
  return value as PeerState;
}
