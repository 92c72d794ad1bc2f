/** What a running peer says of itself when somebody asks. */
import type { PeerPort } from './api/port.ts';
import type { DescriptorUse, PeerCard } from './core/card.ts';
import type { Membership } from './mesh/membership.ts';
import type { RoundTripHistory } from './mesh/round-trip-history.ts';
import type { Tally } from './mesh/tally.ts';
import { readMachine } from './observability/machine.ts';

export interface PeerCardParts {
  readonly self: PeerPort['self'];
  readonly membership: Membership;
  readonly tally: Tally;
  readonly roundTrips: RoundTripHistory;
  /** On the disk that counts. */
  readonly dataFolder: string;
  readonly descriptors: DescriptorUse | null;
}

export async function makePeerCard({
  self,
  membership,
  tally,
  roundTrips,
  dataFolder,
  descriptors,
}: PeerCardParts): Promise<PeerCard> {
  const [own, ...others] = membership.members();
  const reaches = others.map(({ peer, heartbeat, state, addresses }) => ({
    peer,
    name: heartbeat?.name ?? '',
    state,
    isConnected: addresses.length > 0,
    roundTrip: roundTrips.figuresOf(peer),
    sentBytes: tally.sentBytesTo(peer),
  }));
  return {
    peer: self.id,
    name: self.name,
    mesh: self.mesh,
    version: self.version,
    runtime: process.version,
    platform: `${process.platform} ${process.arch}`,
    kernel: self.kernel,
    unixMs: Date.now(),
    uptimeMs: performance.now(),
    machine: await readMachine(dataFolder),
    ...(descriptors === null ? {} : { descriptors }),
    tiles: tally.tiles,
    tilesPerSecond: tally.tilesPerSecond,
    errors: tally.errors,
    addresses: own?.addresses ?? [],
    reaches,
  };
}
