/** Links by name. */
import { GIGABIT, type LinkProfile } from '../core/cost/cost-model.ts';
import { MeshError } from '../core/errors.ts';

/** Of the line rate, what is left for pieces behind the headers of Ethernet, IP and TCP. */
const BYTES_PER_MEGABIT = GIGABIT.bytesPerSecond / 1000;
const UNITS = { '': 1, mbit: 1, gbit: 1000 } as const;

/** @param text `1gbit`, `100mbit`, `83` (megabits a second). @throws MeshError INVALID_ARGUMENT. */
export function parseLink(text: string): LinkProfile {
  const [, digits, unit = ''] = /^(\d*\.?\d+) ?(gbit|mbit)?$/i.exec(text.trim()) ?? [];
  const megabits = Number(digits) * UNITS[unit.toLowerCase() as keyof typeof UNITS];
  if (!(megabits > 0)) {
    throw new MeshError(
      'INVALID_ARGUMENT',
      `"${text}" is no link: use 1gbit, 100mbit or a number of megabits a second`,
    );
  }
  return { bytesPerSecond: megabits * BYTES_PER_MEGABIT, latencyMs: GIGABIT.latencyMs };
}
