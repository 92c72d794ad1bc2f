/**
 * A token that a person can type: 60 random bits in 12 letters and digits, worth one membership for a while. Peers turn it
 * into a key as expensive to guess as a few more bits would make it (scrypt, RFC 7914), and prove that key to each other
 * like that of a mesh, so that the token itself never crosses the network.
 */
import { randomInt, scryptSync } from 'node:crypto';
import { MeshError } from '../../core/errors.ts';
import { deriveKey, SECRET_BYTES, type MeshKey } from './mesh-key.ts';

/** Crockford's base 32: no letters that look like others. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const SYMBOLS = new RegExp(`^[${ALPHABET}]+$`);
const LENGTH = 12;
const GROUP = 4;
/** 16 MiB and some 60 ms on x64; a few times that on a small board. */
const SCRYPT = { N: 2 ** 14, r: 8, p: 1 } as const;

const grouped = (symbols: string): string => symbols.match(new RegExp(`.{${GROUP}}`, 'g'))!.join('-');

/** `7K2M-9QXD-R4TW` */
export const newToken = (): string =>
  grouped(Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]!).join(''));

/** As it was issued, whatever case, spaces and mistakable letters it was typed with. @throws MeshError INVALID_ARGUMENT */
export function parseToken(typed: string): string {
  const symbols = typed.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  if (symbols.length === LENGTH && SYMBOLS.test(symbols)) return grouped(symbols);
  throw new MeshError(
    'INVALID_ARGUMENT',
    `a token is ${LENGTH} letters and digits, such as ${grouped('7K2M9QXDR4TW')}: copy it as "tilemesh invite" printed it`,
  );
}

export const keyOfToken = (token: string): MeshKey =>
  deriveKey(new Uint8Array(scryptSync(token, 'tilemesh invitation 1', SECRET_BYTES, SCRYPT)));
