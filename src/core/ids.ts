/** Branded identifiers: plain strings at run time, not interchangeable to the type checker. */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** The text form of a libp2p peer id. */
export type PeerId = Branded<'PeerId'>;
/** 32 lower-case hexadecimal digits, chosen by the client or the entry peer. */
export type RequestId = Branded<'RequestId'>;
/** SHA-256 of the model's manifest, as 64 lower-case hexadecimal digits. */
export type ModelId = Branded<'ModelId'>;

const REQUEST_ID = /^[0-9a-f]{32}$/;
const MODEL_ID = /^[0-9a-f]{64}$/;

export const asPeerId = (text: string): PeerId => text as PeerId;
export const isRequestId = (text: string): text is RequestId => REQUEST_ID.test(text);
export const isModelId = (text: string): text is ModelId => MODEL_ID.test(text);
