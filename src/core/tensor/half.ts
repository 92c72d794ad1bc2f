/**
 * Half-precision numbers by their bits: IEEE 754 binary16, a sign, five bits of exponent, ten of fraction. Written out since
 * not every Node.js that the package runs on has them.
 */

const SIGN = 0x8000;
const INFINITE = 0x7c00;
const NOT_A_NUMBER = 0x7e00;
/** Bits of the fraction, and the elements of the smallest normal exponent. */
const FRACTION_BITS = 10;
const FRACTION = 1 << FRACTION_BITS;
const LEAST_EXPONENT = -14;
/** Half-way from the largest finite number, 65504, to what would follow it. */
const OVERFLOW = 65_520;

/** The distance from 1 to the next number, 2^-10. */
export const HALF_EPSILON = 1 / FRACTION;

/** @param bits from 0 to 65535 */
export function numberOfHalf(bits: number): number {
  const sign = (bits & SIGN) === 0 ? 1 : -1;
  const exponent = (bits & INFINITE) >> FRACTION_BITS;
  const fraction = bits & (FRACTION - 1);
  if (exponent === INFINITE >> FRACTION_BITS) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** (LEAST_EXPONENT - FRACTION_BITS);
  return sign * (FRACTION + fraction) * 2 ** (exponent - 1 + LEAST_EXPONENT - FRACTION_BITS);
}

const double = new DataView(new ArrayBuffer(8));

/** The exponent of a positive double, in base 2; less than any half's for subnormal ones. */
function exponentOf(value: number): number {
  double.setFloat64(0, value);
  return (double.getUint16(0) >> 4) - 1023;
}

/** The bits of the nearest half-precision number, of two that are equally near the even one. */
export function halfOfNumber(value: number): number {
  if (Number.isNaN(value)) return NOT_A_NUMBER;
  const sign = value < 0 || Object.is(value, -0) ? SIGN : 0;
  const size = Math.abs(value);
  if (size >= OVERFLOW) return sign | INFINITE;
  const exponent = Math.max(LEAST_EXPONENT, exponentOf(size));
  const steps = size / 2 ** (exponent - FRACTION_BITS);
  const below = Math.floor(steps);
  const rest = steps - below;
  const isUp = rest > 0.5 || (rest === 0.5 && below % 2 === 1);
  // A fraction that is rounded up to the next power of two carries into the exponent, as it should.
  return sign | (((exponent - LEAST_EXPONENT) << FRACTION_BITS) + below + (isUp ? 1 : 0));
}
