/** Offers of a lane and their answers, in the core's types. */
import { create, toBinary } from '@bufbuild/protobuf';
import type { Codec } from '../codec.ts';
import * as fields from '../fields.ts';
import type { Failure } from '../fields.ts';
import { KEY_BYTES, KEY_ID_BYTES, MAX_LISTENERS, MAX_PROTOCOL_CHARS, MAX_PROTOCOLS } from './constants.ts';
import { AnswerSchema, OfferSchema } from './lane_pb.js';

/** Where a peer waits for connections. */
export interface Listener {
  /** IPv4; `0.0.0.0` stands for all addresses of the peer. */
  readonly host: string;
  readonly port: number;
}

export interface Offer {
  readonly keyId: Uint8Array;
  readonly key: Uint8Array;
  readonly validMs: number;
  readonly listeners: readonly Listener[];
  readonly protocols: readonly string[];
}

export type Answer =
  | {
      readonly kind: 'accept';
      /** In the order of their numbers on the lane. */
      readonly protocols: readonly string[];
    }
  | ({ readonly kind: 'refuse' } & Failure);

export const offerCodec: Codec<Offer> = {
  encode: ({ keyId, key, validMs, listeners, protocols }) =>
    toBinary(
      OfferSchema,
      create(OfferSchema, {
        keyId: Uint8Array.from(keyId),
        key: Uint8Array.from(key),
        validMs: fields.uint32(validMs),
        listeners: listeners.map(({ host, port }) => ({ host, port })),
        protocols: [...protocols],
      }),
    ),
  decode: (bytes) => {
    const { keyId, key, validMs, listeners, protocols } = fields.parseMessage(OfferSchema, bytes);
    return {
      keyId: exactly(keyId, KEY_ID_BYTES, 'key id'),
      key: exactly(key, KEY_BYTES, 'key'),
      validMs,
      listeners: fields.list(listeners, MAX_LISTENERS, 'listeners').map(({ host, port }) => ({
        host: fields.text(host, 15, 'host'),
        port: tcpPort(port),
      })),
      protocols: protocolIds(protocols),
    };
  },
};

export const answerCodec: Codec<Answer> = {
  encode: (answer) =>
    toBinary(
      AnswerSchema,
      create(AnswerSchema, {
        kind:
          answer.kind === 'accept'
            ? { case: 'accept', value: { protocols: [...answer.protocols] } }
            : { case: 'refuse', value: fields.encodeFailure(answer) },
      }),
    ),
  decode: (bytes) => {
    const { kind } = fields.parseMessage(AnswerSchema, bytes);
    switch (kind.case) {
      case 'accept':
        return { kind: 'accept', protocols: protocolIds(kind.value.protocols) };
      case 'refuse':
        return { kind: 'refuse', ...fields.decodeFailure(kind.value) };
      case undefined:
        throw fields.invalid('an answer to the offer of a lane is of no known kind');
    }
  },
};

function protocolIds(ids: readonly string[]): readonly string[] {
  return fields.list(ids, MAX_PROTOCOLS, 'protocols').map((id) => fields.text(id, MAX_PROTOCOL_CHARS, 'protocol'));
}

function exactly(value: Uint8Array, byteLength: number, field: string): Uint8Array {
  if (value.byteLength !== byteLength) throw fields.invalid(`a ${field} has ${value.byteLength} bytes`);
  return value;
}

function tcpPort(value: number): number {
  if (value < 1 || value > 0xffff) throw fields.invalid(`${value} is no TCP port`);
  return value;
}
