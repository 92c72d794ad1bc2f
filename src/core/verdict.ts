/**
 * What is to be believed where peers give different answers to one question. Each of them has computed it alone, so none can
 * have spoilt what another says. The answer that most give counts; where as many give each, the one of the peer that
 * judges, since it knows what it has done itself.
 */
import { difference, isClose, type Tolerance } from './compare.ts';
import type { PeerId } from './ids.ts';
import type { DataType } from './tensor/data-type.ts';
import type { Tensor } from './tensor/tensor.ts';

export type Outputs = ReadonlyMap<string, Tensor>;

/** What one peer says. */
export interface Opinion {
  readonly peer: PeerId;
  readonly outputs: Outputs;
}

export interface Verdict {
  readonly outputs: Outputs;
  /** Those who said the same. */
  readonly supporters: readonly PeerId[];
  /** Those who said what no honest computation says. */
  readonly liars: readonly PeerId[];
}

/**
 * What kernels, cuts and arithmetics may make of the same network at most. It is wider than what cutting alone may change, for
 * kernels of different peers differ by more.
 */
export const HONEST_TOLERANCE: Tolerance = { relative: 1e-4, absolute: 1e-6 };

/** The wider of two. */
export const wider = (a: Tolerance, b: Tolerance): Tolerance => ({
  relative: Math.max(a.relative, b.relative),
  absolute: Math.max(a.absolute, b.absolute),
});

const ROUNDED: ReadonlySet<DataType> = new Set<DataType>(['float16', 'float32', 'float64']);

/** Whether two answers are the same: numbers within the tolerance of the largest value, whatever is not rounded exactly. */
export function agree(a: Outputs, b: Outputs, tolerance: Tolerance): boolean {
  return (
    a.size === b.size &&
    [...a].every(([name, own]) => {
      const other = b.get(name);
      if (other === undefined) return false;
      const apart = difference(own, other);
      return ROUNDED.has(own.type) ? isClose(apart, tolerance) : apart.isIdentical;
    })
  );
}

/**
 * Whether an answer cannot come of honest work. Numbers that are rounded prove it; a rank or a number of finds may tip with the
 * last bit where two scores are as good as equal, so they prove it only where the network says nothing else.
 */
export function contradicts(said: Outputs, truth: Outputs, tolerance: Tolerance): boolean {
  const rounded = [...truth].filter(([, { type }]) => ROUNDED.has(type));
  if (rounded.length === 0) return !agree(said, truth, tolerance);
  return rounded.some(([name, own]) => {
    const other = said.get(name);
    if (other?.type !== own.type) return true;
    const isSameShape =
      own.shape.length === other.shape.length && own.shape.every((n, axis) => n === other.shape[axis]);
    return isSameShape && !isClose(difference(own, other), tolerance);
  });
}

/** @returns undefined where nothing can be believed yet: no two say the same, and this peer has said nothing. */
export function judge(opinions: readonly Opinion[], self: PeerId, tolerance: Tolerance): Verdict | undefined {
  const camps: [Opinion, ...Opinion[]][] = [];
  for (const opinion of opinions) {
    const camp = camps.find(([first]) => agree(first.outputs, opinion.outputs, tolerance));
    if (camp === undefined) camps.push([opinion]);
    else camp.push(opinion);
  }
  const size = Math.max(0, ...camps.map((camp) => camp.length));
  const largest = camps.filter((camp) => camp.length === size);
  const own = largest.find((camp) => camp.some(({ peer }) => peer === self));
  const camp = own ?? (largest.length === 1 && size > 1 ? largest[0] : undefined);
  if (camp === undefined) return undefined;
  const [{ outputs }] = camp;
  return {
    outputs,
    supporters: camp.map(({ peer }) => peer),
    liars: opinions.filter((said) => contradicts(said.outputs, outputs, tolerance)).map(({ peer }) => peer),
  };
}
