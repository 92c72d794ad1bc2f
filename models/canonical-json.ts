/**
 * One JSON text for each value: keys sorted by UTF-16 code unit, no white space, numbers and strings as ECMAScript writes
 * them (RFC 8785). What is named by the hash of its JSON has to be written the same way everywhere.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Documents nest a handful of levels; one that nests deeper was made to exhaust the stack. */
const MAX_DEPTH = 64;

/**
 * Members that are `undefined` are left out.
 * @throws RangeError for numbers JSON cannot express, and beyond 64 levels of nesting.
 */
export const canonicalJson = (value: Json): string => write(value, MAX_DEPTH);

function write(value: Json, depth: number): string {
  if (depth === 0) throw new RangeError(`a document nests at most ${MAX_DEPTH} levels`);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError(`${value} has no JSON form`);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isList(value)) return `[${value.map((element) => write(element, depth - 1)).join(',')}]`;
  const members = Object.keys(value)
    .sort()
    .flatMap((key) => {
      const member = value[key];
      return member === undefined ? [] : [`${JSON.stringify(key)}:${write(member, depth - 1)}`];
    });
  return `{${members.join(',')}}`;
}

const isList = (value: object): value is readonly Json[] => Array.isArray(value);
