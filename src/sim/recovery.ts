/** What a coordinator does about a participant that is lost: the rule of `src/mesh/coordination.ts`, in one place. */

export interface AttemptState {
  /** All participants have said that they are ready. */
  readonly isReady: boolean;
  /** The lost peer takes part, and has not said that it is finished. */
  readonly owesWork: boolean;
  readonly takesPart: boolean;
}

/** `restart`: give the attempt up and plan again from the input, without the peer. `none`: it is not needed any more. */
export type Recovery = 'none' | 'restart';

export function recoveryFor({ isReady, owesWork, takesPart }: AttemptState): Recovery {
  if (!takesPart) return 'none';
  // What a peer has finished and sent is no longer at risk when it leaves.
  return isReady && !owesWork ? 'none' : 'restart';
}
