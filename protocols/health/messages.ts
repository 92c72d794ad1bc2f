/** What peers tell each other about who is there: see `src/core/membership/messages.ts`. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { Heartbeat } from '../../src/core/membership/heartbeat.ts';
import { MAX_SUSPICIONS, type HealthMessage, type Suspicion, type Told } from '../../src/core/membership/messages.ts';
import type { Codec } from '../codec.ts';
import * as fields from '../fields.ts';
import { MAX_ADDRESS_CHARS, MAX_ENTRIES, MAX_MODELS, MAX_TOLD, MAX_VERSION_CHARS } from './constants.ts';
import {
  EnvelopeSchema,
  type Beat as WireBeat,
  type Envelope,
  type Heartbeat as WireHeartbeat,
  type LoadOnly as WireLoad,
  type Suspicion as WireSuspicion,
  type Told as WireTold,
} from './health_pb.js';

export type { HealthMessage } from '../../src/core/membership/messages.ts';

type WireKind = NonNullable<MessageInitShape<typeof EnvelopeSchema>['kind']>;
type WireToldInit = NonNullable<Extract<WireKind, { readonly case: 'beat' }>['value']['told']>[number];

/** Frames of `/tilemesh/health/2.0.0`. */
export const healthCodec: Codec<HealthMessage> = {
  encode: (message) => toBinary(EnvelopeSchema, create(EnvelopeSchema, { kind: encodeKind(message) })),
  decode: (bytes) => decodeKind(fields.parseMessage(EnvelopeSchema, bytes)),
};

function encodeKind(message: HealthMessage): WireKind {
  switch (message.kind) {
    case 'beat': {
      const { isWatching, sentMs, echo, told, suspicions } = message;
      const echoed = echo === null ? {} : { echoSentMs: echo.sentMs, echoHeldMs: echo.heldMs };
      const value = {
        isWatching,
        sentMs,
        ...echoed,
        told: told.map(encodeTold),
        suspicions: suspicions.map(encodeRun),
      };
      return { case: 'beat', value };
    }
    case 'probe':
      return { case: 'probe', value: { nonce: fields.uint32(message.nonce), sentMs: message.sentMs } };
    case 'ask':
      return {
        case: 'ask',
        value: { nonce: fields.uint32(message.nonce), about: encodeRun(message), isUrgent: message.isUrgent },
      };
    case 'ack': {
      const { nonce, about, sentMs } = message;
      return { case: 'ack', value: { nonce: fields.uint32(nonce), ...(about === null ? {} : { about }), sentMs } };
    }
    case 'digest': {
      const { sentMs, isReply } = message;
      const entries = message.entries.slice(0, MAX_ENTRIES).map(({ peer, startedAtMs, sequence }) => ({
        peer,
        startedAtMs: fields.uint64(startedAtMs),
        sequence: fields.uint32(sequence),
      }));
      return { case: 'digest', value: { sentMs, isReply, entries } };
    }
    case 'goodbye':
      return { case: 'goodbye', value: { reason: fields.shortened(message.reason, fields.MAX_EXPLANATION_CHARS) } };
  }
}

function encodeTold(told: Told): WireToldInit {
  const { peer } = told;
  if (told.kind === 'heartbeat') return { peer, kind: { case: 'heartbeat', value: encodeHeartbeat(told.heartbeat) } };
  const { load } = told;
  const value = {
    startedAtMs: fields.uint64(told.startedAtMs),
    sequence: fields.uint32(told.sequence),
    profileSequence: fields.uint32(told.profileSequence),
    queueDepth: fields.uint32(load.queueDepth),
    activeRequests: load.activeRequests,
    cpuPercent: load.cpuPercent,
    memoryBytes: fields.uint64(load.memoryBytes),
  };
  return { peer, kind: { case: 'load', value } };
}

const encodeHeartbeat = ({ apiAddress, ...heartbeat }: Heartbeat) => ({
  sequence: fields.uint32(heartbeat.sequence),
  profileSequence: fields.uint32(heartbeat.profileSequence),
  incarnation: fields.uint32(heartbeat.incarnation),
  mesh: heartbeat.mesh,
  name: heartbeat.name,
  version: heartbeat.version,
  state: heartbeat.state,
  startedAtMs: fields.uint64(heartbeat.startedAtMs),
  macsPerSecond: heartbeat.macsPerSecond,
  memoryBudgetBytes: fields.uint64(heartbeat.memoryBudgetBytes),
  queueDepth: fields.uint32(heartbeat.queueDepth),
  activeRequests: heartbeat.activeRequests,
  ...(apiAddress === undefined ? {} : { apiAddress }),
  models: heartbeat.models.slice(0, MAX_MODELS).map(({ id, name, bytesHeld, bytesTotal }) => ({
    id: fields.fromHex(id),
    name,
    bytesHeld: fields.uint64(bytesHeld),
    bytesTotal: fields.uint64(bytesTotal),
  })),
  cpuPercent: heartbeat.cpuPercent,
  memoryBytes: fields.uint64(heartbeat.memoryBytes),
});

const encodeRun = ({ peer, startedAtMs, incarnation }: Suspicion) => ({
  peer,
  startedAtMs: fields.uint64(startedAtMs),
  incarnation: fields.uint32(incarnation),
});

function decodeKind({ kind }: Envelope): HealthMessage {
  switch (kind.case) {
    case 'beat':
      return decodeBeat(kind.value);
    case 'probe':
      return { kind: 'probe', nonce: kind.value.nonce, sentMs: fields.quantity(kind.value.sentMs, 'stamp') };
    case 'ask': {
      const { nonce, about, isUrgent } = kind.value;
      if (about === undefined) throw fields.invalid('a peer asks about nobody');
      return { kind: 'ask', nonce, isUrgent, ...decodeRun(about) };
    }
    case 'ack': {
      const { nonce, about, sentMs } = kind.value;
      return {
        kind: 'ack',
        nonce,
        about: about === undefined ? null : fields.peerId(about),
        sentMs: fields.quantity(sentMs, 'stamp'),
      };
    }
    case 'digest': {
      const { sentMs, isReply, entries } = kind.value;
      return {
        kind: 'digest',
        sentMs: fields.quantity(sentMs, 'stamp'),
        isReply,
        entries: fields.list(entries, MAX_ENTRIES, 'entries').map(({ peer, startedAtMs, sequence }) => ({
          peer: fields.peerId(peer),
          startedAtMs: fields.safeInteger(startedAtMs, 'start time'),
          sequence,
        })),
      };
    }
    case 'goodbye':
      return { kind: 'goodbye', reason: fields.text(kind.value.reason, fields.MAX_EXPLANATION_CHARS, 'reason') };
    case undefined:
      throw fields.invalid('a health message is of no known kind');
  }
}

const decodeBeat = ({ isWatching, sentMs, echoSentMs, echoHeldMs, told, suspicions }: WireBeat): HealthMessage => ({
  kind: 'beat',
  isWatching,
  sentMs: fields.quantity(sentMs, 'stamp'),
  echo:
    echoSentMs === undefined
      ? null
      : { sentMs: fields.quantity(echoSentMs, 'echo'), heldMs: fields.quantity(echoHeldMs, 'time held') },
  told: fields.list(told, MAX_TOLD, 'peers told about').map(decodeTold),
  suspicions: fields.list(suspicions, MAX_SUSPICIONS, 'suspicions').map(decodeRun),
});

function decodeTold(wire: WireTold): Told {
  const peer = fields.peerId(wire.peer);
  const { kind } = wire;
  if (kind.case === 'heartbeat') return { kind: 'heartbeat', peer, heartbeat: decodeHeartbeat(kind.value) };
  if (kind.case === undefined) throw fields.invalid('nothing is told about a peer');
  const { startedAtMs, sequence, profileSequence } = kind.value;
  return {
    kind: 'load',
    peer,
    startedAtMs: fields.safeInteger(startedAtMs, 'start time'),
    sequence,
    profileSequence,
    load: decodeLoad(kind.value),
  };
}

const decodeLoad = ({ queueDepth, activeRequests, cpuPercent, memoryBytes }: WireLoad | WireHeartbeat) => ({
  queueDepth,
  activeRequests: fields.quantity(activeRequests, 'requests under way'),
  cpuPercent: fields.quantity(cpuPercent, 'CPU share'),
  memoryBytes: fields.safeInteger(memoryBytes, 'memory in use'),
});

const decodeHeartbeat = (wire: WireHeartbeat): Heartbeat => ({
  sequence: wire.sequence,
  profileSequence: wire.profileSequence,
  incarnation: wire.incarnation,
  mesh: fields.text(wire.mesh, fields.MAX_NAME_CHARS, 'mesh name'),
  name: fields.text(wire.name, fields.MAX_NAME_CHARS, 'peer name'),
  version: fields.text(wire.version, MAX_VERSION_CHARS, 'version'),
  state: peerState(wire.state),
  startedAtMs: fields.safeInteger(wire.startedAtMs, 'start time'),
  macsPerSecond: fields.quantity(wire.macsPerSecond, 'MACs per second'),
  memoryBudgetBytes: fields.safeInteger(wire.memoryBudgetBytes, 'memory budget'),
  ...(wire.apiAddress === undefined
    ? {}
    : { apiAddress: fields.text(wire.apiAddress, MAX_ADDRESS_CHARS, 'API address') }),
  models: fields.list(wire.models, MAX_MODELS, 'models').map(({ id, name, bytesHeld, bytesTotal }) => ({
    id: fields.modelId(id),
    name: fields.text(name, fields.MAX_NAME_CHARS, 'model name'),
    bytesHeld: fields.safeInteger(bytesHeld, 'bytes held'),
    bytesTotal: fields.safeInteger(bytesTotal, 'bytes in total'),
  })),
  ...decodeLoad(wire),
});

const decodeRun = ({ peer, startedAtMs, incarnation }: WireSuspicion): Suspicion => ({
  peer: fields.peerId(peer),
  startedAtMs: fields.safeInteger(startedAtMs, 'start time'),
  incarnation,
});

const PEER_STATES: Readonly<Record<Heartbeat['state'], true>> = { joining: true, alive: true, draining: true };

function peerState(value: string): Heartbeat['state'] {
  if (!Object.hasOwn(PEER_STATES, value)) throw fields.invalid(`'${value.slice(0, 64)}' is no state of a peer`);
  return value as Heartbeat['state'];
}
