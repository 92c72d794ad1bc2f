/** Invitations that this peer has issued: each lets one peer in, once, for a while. */
import { MeshError } from '../../core/errors.ts';
import { keyOfToken, newToken } from './invitation.ts';
import type { MeshKey } from './mesh-key.ts';

/** With it one more peer joins the mesh, once. */
export interface Invitation {
  readonly token: string;
  readonly expiresAtMs: number;
}

interface Issued extends Invitation {
  readonly key: MeshKey;
  /** Whether the new peer shall administer the mesh, too. */
  readonly withAdmin: boolean;
}

const VALID_MS = 60 * 60 * 1000;
const MAX_OUT = 8;

export class IssuedInvitations {
  readonly #now: () => number;
  readonly #issued = new Map<string, Issued>();

  /** @param now Unix time. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Those that may still be redeemed. */
  #out(): readonly Issued[] {
    for (const { token, expiresAtMs } of this.#issued.values()) {
      if (expiresAtMs <= this.#now()) this.#issued.delete(token);
    }
    return [...this.#issued.values()];
  }

  get count(): number {
    return this.#out().length;
  }

  /** By which those that hold one prove it. */
  keys(): readonly MeshKey[] {
    return this.#out().map(({ key }) => key);
  }

  /** @throws MeshError OVERLOADED */
  issue(withAdmin: boolean): Invitation {
    if (this.count >= MAX_OUT) {
      throw new MeshError('OVERLOADED', `${MAX_OUT} invitations are out: use one of them first`);
    }
    const token = newToken();
    const expiresAtMs = this.#now() + VALID_MS;
    this.#issued.set(token, { token, expiresAtMs, key: keyOfToken(token), withAdmin });
    return { token, expiresAtMs };
  }

  /** Takes it back from whoever has proved it; undefined where there is none such. */
  redeem(key: MeshKey): Pick<Issued, 'withAdmin'> | undefined {
    const found = this.#out().find((issued) => issued.key === key);
    if (found !== undefined) this.#issued.delete(found.token);
    return found;
  }
}
