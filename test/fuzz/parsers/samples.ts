/** Names and values that well-formed inputs are made of. */
import { asPeerId, type ModelId, type PlanDigest, type RequestId } from '../../../src/core/ids.ts';

export const REQUEST_ID = '00112233445566778899aabbccddeeff' as RequestId;
export const DIGEST = 'ab'.repeat(32) as PlanDigest;
export const MODEL_ID = 'ab'.repeat(32) as ModelId;
export const PEER = asPeerId('12D3KooWEZ5KKuJ2DmUNnBnzhJ7pRUyCCwEs7WmGyGYXoCVn3bXm');
export const OTHER_PEER = asPeerId('12D3KooWQoDcuEP5bzjqQWP7eAjpzpXqb37HS6XEBuVUZRDxCBRz');
export const ATTEMPT = { requestId: REQUEST_ID, term: 3, attempt: 2 } as const;

export const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What JSON is made of. */
export const JSON_WORDS = ['[', ']', '{', '}', ',', ':', '"', 'null', 'true', 'false', '[]', '{}', '"":', '\\u0000'];
