/** Parsers with faults put there on purpose, which a fuzzer has to find: what it is measured by. */
import { MeshError } from '../../src/core/errors.ts';
import type { Parser } from './engine/parser.ts';

const invalid = (): MeshError => new MeshError('INVALID_MESSAGE', 'not what was wanted');
const planted = (name: string, parse: (bytes: Uint8Array) => unknown): Parser => ({
  name,
  seeds: () => [new Uint8Array(12)],
  parse,
  refusals: ['INVALID_MESSAGE'],
});

export const PARSERS: readonly Parser[] = [
  planted('nested-magic', (bytes) => {
    // One byte after the other, so that each that is right opens new code; all at once are one in sixteen million.
    if (bytes[2] !== 0xa7) throw invalid();
    if (bytes[5] !== 0x3c) throw invalid();
    if (bytes[9] !== 0x58) throw invalid();
    throw new TypeError('the fault');
  }),
  planted('endless', (bytes) => {
    while (bytes[0] === 0x21);
    return bytes;
  }),
  planted('believes-lengths', (bytes) => {
    const length = new DataView(bytes.buffer).getUint32(0);
    if (bytes.byteLength < 4 || length > 2 ** 30) throw invalid();
    return new Uint8Array(length);
  }),
  planted('grows', (bytes) => Array.from(bytes, (byte) => ({ byte, text: `byte ${byte}`, list: [byte] }))),
  planted('other-code', (bytes) => {
    if (bytes[0] === 1) throw new MeshError('INTERNAL', 'a fault that is dressed up');
    return bytes;
  }),
  planted('sound', (bytes) => {
    if (bytes[0] === 1) throw invalid();
    return bytes;
  }),
];
