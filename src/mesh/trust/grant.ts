/** What an invitation brings: the mesh's charter with its keys, and the key to check later ones with. */
import * as v from 'valibot';
import { MeshError } from '../../core/errors.ts';
import type { SignedCharter } from './charter.ts';

export interface Grant {
  readonly charter: SignedCharter;
  readonly adminPublicKey: string;
  /** For a peer that is to administer the mesh, too. */
  readonly adminPrivateKey: string | null;
}

const SCHEMA = v.strictObject({
  charter: v.strictObject({ document: v.string(), signature: v.string() }),
  adminPublicKey: v.string(),
  adminPrivateKey: v.nullable(v.string()),
});

export const encodeGrant = (grant: Grant): Uint8Array => new TextEncoder().encode(JSON.stringify(grant));

/** @throws MeshError INVALID_MESSAGE */
export function decodeGrant(bytes: Uint8Array): Grant {
  try {
    return v.parse(SCHEMA, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    const message =
      'what the invitation brought cannot be read; check that both peers run the same version of tilemesh';
    throw new MeshError('INVALID_MESSAGE', message, { cause });
  }
}
