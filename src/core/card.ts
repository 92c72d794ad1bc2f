/** What a peer says of itself when somebody asks: its machine, its work, and whom it reaches. */
import type { PeerId } from './ids.ts';

/** Readings of a machine. Null where it does not say. */
export interface MachineReadings {
  /** Of its hottest part, degrees Celsius. */
  readonly temperatureC: number | null;
  /** Whether it runs slower than it could, because it is too hot or its supply too weak. */
  readonly isThrottled: boolean | null;
  /** How the clock rate of each kind of core is chosen, as `performance`, `schedutil`, `powersave`. */
  readonly governors: readonly string[];
  readonly cores: number;
  /** Mean number of runnable threads over the last minute. */
  readonly load: number | null;
  readonly memoryBytes: number | null;
  readonly availableBytes: number | null;
  readonly swapUsedBytes: number | null;
  /** Of the disk with the peer's data. */
  readonly diskBytes: number | null;
  readonly diskFreeBytes: number | null;
}

/** Of a process. */
export interface DescriptorUse {
  readonly used: number;
  readonly limit: number;
}

/** How a member is reached from the peer that says so. */
export interface Reach {
  readonly peer: PeerId;
  readonly name: string;
  readonly state: string;
  readonly isConnected: boolean;
  /** Of the last round trips; null until measured. */
  readonly roundTrip: RoundTripFigures | null;
  /** Of feature maps handed to it, since the peer that says so started. */
  readonly sentBytes: number;
}

/** Round trips to one peer, the last ones. */
export interface RoundTripFigures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Share of those asked that were not answered in time, 0 to 1. */
  readonly loss: number;
  readonly samples: number;
}

/** All that a peer says of itself. */
export interface PeerCard {
  readonly peer: PeerId;
  readonly name: string;
  readonly mesh: string;
  readonly version: string;
  /** Of Node. */
  readonly runtime: string;
  /** As `linux arm64`. */
  readonly platform: string;
  readonly kernel: string;
  /** Its wall clock. */
  readonly unixMs: number;
  readonly uptimeMs: number;
  readonly machine: MachineReadings;
  /** Open files and connections of the peer; absent where it does not say. */
  readonly descriptors?: DescriptorUse;
  /** Tiles computed since it started, and in each second of the last minute. */
  readonly tiles: number;
  readonly tilesPerSecond: number;
  /** Requests that came in here and failed, since it started. */
  readonly errors: number;
  readonly addresses: readonly string[];
  readonly reaches: readonly Reach[];
}

/** A card, and how the peer's wall clock stands to that of the peer that asked; or why there is none. */
export interface HeardCard {
  readonly peer: PeerId;
  readonly card: PeerCard | null;
  /** To be added to its Unix time. */
  readonly clockSkewMs: number;
  readonly roundTripMs: number;
  readonly reason: string;
}
