/** What changes about a peer without anybody doing anything to it: how busy it is, what it holds, and what it should hold. */
import { observeMean, toldLoad } from './core/schedule/load.ts';
import type { Directory } from './mesh/directory.ts';
import type { Membership } from './mesh/membership.ts';
import type { ModelLibrary } from './mesh/model-library.ts';
import type { Replicator } from './mesh/model-store/replicator.ts';
import type { PeerActors } from './mesh/peer-actors.ts';
import type { Clock } from './mesh/ports.ts';

export interface TellingParts {
  readonly actors: PeerActors;
  readonly directory: Directory;
  readonly library: ModelLibrary;
  readonly membership: Membership;
  readonly replicator: Replicator;
  readonly clock: Clock;
}

/** How often the returned function is to be called. */
export const TELL_INTERVAL_MS = 500;

/** Returns what brings all of it up to date. */
export function keepTelling({ actors, directory, library, membership, replicator, clock }: TellingParts): () => void {
  let spread = '';
  let asked = { requests: 0, atMs: clock.now() };
  return () => {
    asked = observeMean(asked, actors.entry.load, clock.now());
    membership.setLocal({ queueDepth: actors.load, activeRequests: toldLoad(asked), models: library.held() });
    const toSpread = JSON.stringify([library.known(), directory.available().map(({ peer }) => peer)]);
    if (toSpread !== spread) replicator.nudge();
    spread = toSpread;
  };
}
