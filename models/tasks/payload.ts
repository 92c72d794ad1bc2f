/** What a client sends along with "run this model": bytes, and what they are, judged by their content. */
import { isNpy } from './npy.ts';

export type PayloadKind = 'image' | 'text' | 'npy';

export interface Payload {
  readonly kind: PayloadKind;
  readonly bytes: Uint8Array;
}

/** First bytes of the picture formats that are decoded; `offset` 0 unless given. */
const IMAGE_SIGNATURES: readonly { readonly offset?: number; readonly bytes: string }[] = [
  { bytes: '\x89PNG\r\n\x1a\n' },
  { bytes: '\xff\xd8\xff' },
  { bytes: 'GIF8' },
  { bytes: 'II*\0' },
  { bytes: 'MM\0*' },
  { offset: 8, bytes: 'WEBP' },
  { offset: 4, bytes: 'ftypavif' },
];

const startsWith = (bytes: Uint8Array, text: string, offset = 0): boolean =>
  Buffer.from(text, 'latin1').every((byte, index) => bytes[offset + index] === byte);

/** Bytes at the front that decide whether something is text. */
const TEXT_SAMPLE = 4096;

function isText(bytes: Uint8Array): boolean {
  const sample = bytes.subarray(0, TEXT_SAMPLE);
  if (sample.includes(0)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(sample, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** PNG, JPEG, WebP, GIF, TIFF, AVIF; .npy; UTF-8 text; undefined for anything else, and for nothing at all. */
export function sniff(bytes: Uint8Array): PayloadKind | undefined {
  if (bytes.byteLength === 0) return undefined;
  if (isNpy(bytes)) return 'npy';
  if (IMAGE_SIGNATURES.some((signature) => startsWith(bytes, signature.bytes, signature.offset))) return 'image';
  return isText(bytes) ? 'text' : undefined;
}
