/**
 * What the members of a mesh share: 32 secret bytes. All that is done with them is done with keys derived for one purpose
 * each (HKDF, RFC 5869): proving membership, sealing what is multicast, and the tag by which members find each other.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { toString } from 'uint8arrays/to-string';
import type { PeerId } from '../../core/ids.ts';

export const SECRET_BYTES = 32;
export const NONCE_BYTES = 32;
export const PROOF_BYTES = 32;

const TAG_BYTES = 10;
const SEAL_NONCE_BYTES = 12;
const SEAL_TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

export interface MeshKey {
  /** 16 letters and digits: all that a stranger sees. Says nothing of the secret, and is the same on all members. */
  readonly tag: string;
  /** For `proof`. */
  readonly proving: Uint8Array;
  /** For `seal` and `unseal`. */
  readonly sealing: Uint8Array;
}

/** Who is connecting to whom, with a random number from each: a proof for one connection is worth nothing on another. */
export interface Encounter {
  readonly dialler: PeerId;
  readonly listener: PeerId;
  readonly diallerNonce: Uint8Array;
  readonly listenerNonce: Uint8Array;
}

export const newSecret = (): Uint8Array => new Uint8Array(randomBytes(SECRET_BYTES));

/** A secret of any length and origin, as the 32 bytes that keys are derived from. */
export const secretOf = (text: string): Uint8Array =>
  new Uint8Array(createHash('sha256').update('tilemesh secret\0').update(text).digest());

export function deriveKey(secret: Uint8Array): MeshKey {
  const derive = (purpose: string, byteLength: number): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', secret, 'tilemesh mesh key 1', purpose, byteLength));
  return {
    tag: toString(derive('tag', TAG_BYTES), 'base32'),
    proving: derive('proof', PROOF_BYTES),
    sealing: derive('seal', 32),
  };
}

/**
 * HMAC-SHA-256 over the side that proves, both identities as the encrypted connection has authenticated them, and both
 * nonces: whoever can make it holds the key, means this connection, and is no echo of the other side.
 */
export function proof(key: MeshKey, side: 'dialler' | 'listener', encounter: Encounter): Uint8Array {
  const { dialler, listener, diallerNonce, listenerNonce } = encounter;
  const parts = ['tilemesh admission 1', side, dialler, listener].map((text) => Buffer.from(text));
  const mac = createHmac('sha256', key.proving);
  for (const part of [...parts, diallerNonce, listenerNonce]) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.byteLength);
    mac.update(length).update(part);
  }
  return new Uint8Array(mac.digest());
}

/** Compares in constant time. */
export const isEqual = (one: Uint8Array, other: Uint8Array): boolean =>
  one.byteLength === other.byteLength && timingSafeEqual(one, other);

/** Encrypts and authenticates (AES-256-GCM, random nonce): nonce, text, tag. */
export function seal(key: MeshKey, text: Uint8Array): Uint8Array {
  const nonce = randomBytes(SEAL_NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key.sealing, nonce).setAAD(Buffer.from(key.tag));
  return new Uint8Array(Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]));
}

/** Null for what was not sealed with this key. */
export function unseal(key: MeshKey, sealed: Uint8Array): Uint8Array | null {
  if (sealed.byteLength < SEAL_NONCE_BYTES + SEAL_TAG_BYTES) return null;
  const end = sealed.byteLength - SEAL_TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key.sealing, sealed.subarray(0, SEAL_NONCE_BYTES), {
    authTagLength: SEAL_TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(key.tag)).setAuthTag(sealed.subarray(end));
  try {
    return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(SEAL_NONCE_BYTES, end)), decipher.final()]));
  } catch {
    return null;
  }
}
