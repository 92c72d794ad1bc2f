/** The smallest input found that shows the same violation: shorter runs are left out, then bytes are set to 0. */
import { examine, kindOf } from './examine.ts';
import type { Parser, Violation } from './parser.ts';

const MAX_TRIALS = 2_000;

const without = (bytes: Uint8Array, at: number, length: number): Uint8Array =>
  new Uint8Array(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]));

export async function shrink(parser: Parser, violation: Violation): Promise<Violation> {
  const wanted = kindOf(violation);
  let best = violation;
  let trials = 0;
  const isSame = async (bytes: Uint8Array): Promise<boolean> => {
    if (++trials > MAX_TRIALS) return false;
    const { violation: found } = await examine(parser, bytes);
    if (found === undefined || kindOf(found) !== wanted) return false;
    best = found;
    return true;
  };
  let bytes = new Uint8Array(Buffer.from(violation.input, 'hex'));
  for (let run = bytes.byteLength >> 1; run > 0; run >>= 1) {
    for (let at = 0; at + run <= bytes.byteLength;) {
      const shorter = new Uint8Array(without(bytes, at, run));
      if (await isSame(shorter)) bytes = shorter;
      else at += run;
    }
  }
  for (let at = 0; at < bytes.byteLength; at++) {
    const plain = bytes.slice();
    plain[at] = 0;
    if (bytes[at] !== 0 && (await isSame(plain))) bytes = plain;
  }
  return best;
}
