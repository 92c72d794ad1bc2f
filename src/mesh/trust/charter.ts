/**
 * What the members of a mesh agree on: its keys, who is shut out, who was approved. One document with a serial number,
 * signed (Ed25519) by the administrator's key, which the peer that began the mesh holds and may hand on. Every member
 * carries it and hands it to whoever has an older one; it needs no peer to be there. A member can neither shut out another
 * nor change the key: it would need the administrator's.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import * as v from 'valibot';
import { MeshError } from '../../core/errors.ts';
import { asPeerId, type PeerId } from '../../core/ids.ts';
import { SECRET_BYTES } from './mesh-key.ts';

export const MEMBERSHIP_LEVELS = ['open', 'secret', 'pinned'] as const;
/**
 * `open`: whoever is on the network and names the same mesh. `secret`: whoever holds the mesh's key. `pinned`: moreover each
 * peer must have been approved by its identity.
 */
export type MembershipLevel = (typeof MEMBERSHIP_LEVELS)[number];

export interface ChartedKey {
  /** 32 bytes, hexadecimal. */
  readonly secret: string;
  /** Unix time at which a newer one took its place; null: in use. */
  readonly retiredAtMs: number | null;
}

export interface Ban {
  readonly peer: PeerId;
  readonly sinceMs: number;
}

export interface Charter {
  /** A higher one replaces a lower one. */
  readonly serial: number;
  /** Name of the mesh, for people. */
  readonly mesh: string;
  readonly level: MembershipLevel;
  /** Newest first. */
  readonly keys: readonly ChartedKey[];
  readonly banned: readonly Ban[];
  /** Identities approved, where the level asks for that. */
  readonly trusted: readonly PeerId[];
}

/** As it is stored and sent. */
export interface SignedCharter {
  /** JSON of a `Charter`. */
  readonly document: string;
  /** Ed25519, hexadecimal. */
  readonly signature: string;
}

export interface AdminKey {
  /** SPKI in DER, hexadecimal. */
  readonly publicKey: string;
  /** PKCS #8 in DER, hexadecimal. */
  readonly privateKey: string;
}

export const MAX_LISTED = 1024;
/** More than a charter with full lists takes. */
export const MAX_CHARTER_BYTES = 256 * 1024;
const MAX_KEYS = 4;

const peer = v.pipe(
  v.string(),
  v.regex(/^[0-9A-Za-z]{16,128}$/),
  v.transform((text) => asPeerId(text)),
);
const time = v.pipe(v.number(), v.integer(), v.minValue(0));
const SCHEMA = v.strictObject({
  serial: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  mesh: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,31}$/)),
  level: v.picklist(MEMBERSHIP_LEVELS),
  keys: v.pipe(
    v.array(
      v.strictObject({
        secret: v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${2 * SECRET_BYTES}}$`))),
        retiredAtMs: v.nullable(time),
      }),
    ),
    v.minLength(1),
    v.maxLength(MAX_KEYS),
  ),
  banned: v.pipe(v.array(v.strictObject({ peer, sinceMs: time })), v.maxLength(MAX_LISTED)),
  trusted: v.pipe(v.array(peer), v.maxLength(MAX_LISTED)),
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export function newAdminKey(): AdminKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    publicKey: hex(publicKey.export({ type: 'spki', format: 'der' })),
    privateKey: hex(privateKey.export({ type: 'pkcs8', format: 'der' })),
  };
}

const signedText = (document: string): Buffer => Buffer.from(`tilemesh charter 1\n${document}`);

/** @throws MeshError PAYLOAD_TOO_LARGE when the lists are full. */
export function signCharter(charter: Charter, { privateKey }: AdminKey): SignedCharter {
  if (charter.banned.length > MAX_LISTED || charter.trusted.length > MAX_LISTED) {
    throw new MeshError('PAYLOAD_TOO_LARGE', `a mesh keeps ${MAX_LISTED} peers in a list: take some off first`);
  }
  const document = JSON.stringify(charter);
  const key = createPrivateKey({ key: Buffer.from(privateKey, 'hex'), type: 'pkcs8', format: 'der' });
  return { document, signature: hex(sign(null, signedText(document), key)) };
}

/** @throws MeshError INVALID_MESSAGE for what the administrator did not sign, or what is no charter. */
export function openCharter({ document, signature }: SignedCharter, adminPublicKey: string): Charter {
  if (document.length > MAX_CHARTER_BYTES) throw malformed('is too large');
  if (!isSigned(document, signature, adminPublicKey)) throw malformed("is not signed with its administrator's key");
  const { success, output } = v.safeParse(SCHEMA, parseJson(document));
  if (!success) throw malformed('cannot be read');
  return output;
}

/** Also false where the key is none. */
function isSigned(document: string, signature: string, adminPublicKey: string): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(adminPublicKey, 'hex'), type: 'spki', format: 'der' });
    return verify(null, signedText(document), key, Buffer.from(signature, 'hex'));
  } catch {
    return false;
  }
}

/** Undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const malformed = (what: string): MeshError =>
  new MeshError('INVALID_MESSAGE', `the charter of the mesh ${what}; ask the mesh's administrator for an invitation`);

/** At most so many keys, the first of them new. */
export const withNewKey = (charter: Charter, secret: string, nowMs: number): Charter => ({
  ...charter,
  keys: [
    { secret, retiredAtMs: null },
    ...charter.keys.map((key) => ({ ...key, retiredAtMs: key.retiredAtMs ?? nowMs })),
  ].slice(0, MAX_KEYS),
});
