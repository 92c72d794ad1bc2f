/** Branded identifiers: plain strings at run time, not interchangeable to the type checker. */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** The text form of a libp2p peer id. */
export type PeerId = Branded<'PeerId'>;
/** 32 lower-case hexadecimal digits, chosen by the client or the entry peer. */
export type RequestId = Branded<'RequestId'>;
/** SHA-256 of the model's manifest, as 64 lower-case hexadecimal digits. */
export type ModelId = Branded<'ModelId'>;
/** SHA-256 of a plan as it crosses the wire, as 64 lower-case hexadecimal digits. */
export type PlanDigest = Branded<'PlanDigest'>;

const REQUEST_ID = /^[0-9a-f]{32}$/;
const SHA_256 = /^[0-9a-f]{64}$/;

export const asPeerId = (text: string): PeerId => text as PeerId;
export const isRequestId = (text: string): text is RequestId => REQUEST_ID.test(text);
export const isModelId = (text: string): text is ModelId => SHA_256.test(text);
export const isPlanDigest = (text: string): text is PlanDigest => SHA_256.test(text);
