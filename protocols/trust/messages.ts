/** What the administrator of a mesh has signed, from member to member. Whether it is signed is checked by who reads it. */
import { create, toBinary } from '@bufbuild/protobuf';
import type { Codec } from '../codec.ts';
import * as fields from '../fields.ts';
import { MAX_DOCUMENT_CHARS, SIGNATURE_BYTES } from './constants.ts';
import { EnvelopeSchema } from './trust_pb.js';

export interface SignedDocument {
  /** JSON. */
  readonly document: string;
  /** Ed25519, hexadecimal. */
  readonly signature: string;
}

/** Frames of `/tilemesh/trust/1.0.0`. */
export const trustCodec: Codec<SignedDocument> = {
  encode: ({ document, signature }) =>
    toBinary(EnvelopeSchema, create(EnvelopeSchema, { document, signature: fields.fromHex(signature) })),
  decode: (bytes) => {
    const { document, signature } = fields.parseMessage(EnvelopeSchema, bytes);
    if (signature.byteLength !== SIGNATURE_BYTES) throw fields.invalid('a charter is not signed');
    return {
      document: fields.text(document, MAX_DOCUMENT_CHARS, 'charter'),
      signature: Buffer.from(signature).toString('hex'),
    };
  },
};
