/** What a peer says of itself, when that is worth telling anew, and whether two peers can work together. */
import type { ModelId } from '../ids.ts';

export interface HeldModel {
  readonly id: ModelId;
  readonly name: string;
  readonly bytesHeld: number;
  readonly bytesTotal: number;
}

/** What changes from second to second. */
export interface Load {
  readonly queueDepth: number;
  /** Requests that came in there and are under way, mean of the last seconds. */
  readonly activeRequests: number;
  /** Share of all its cores in use, 0 to 100. */
  readonly cpuPercent: number;
  /** Resident memory of its process. */
  readonly memoryBytes: number;
}

export interface Heartbeat extends Load {
  /** Counts what this run of the peer has said of itself: of two heartbeats the one with the higher number is newer. */
  readonly sequence: number;
  /** The sequence at which anything but its load changed last. */
  readonly profileSequence: number;
  /** Raised by the peer to contradict those that suspect it. */
  readonly incarnation: number;
  readonly mesh: string;
  /** Name of the peer, for people. */
  readonly name: string;
  /** Version of its program. */
  readonly version: string;
  /** `joining`: up, but not ready for work; `draining`: finishes what it has and takes nothing new. */
  readonly state: 'joining' | 'alive' | 'draining';
  /** Unix time; tells one run of the peer from another. */
  readonly startedAtMs: number;
  /** Measured multiply-accumulates per second. */
  readonly macsPerSecond: number;
  readonly memoryBudgetBytes: number;
  /** Where its HTTP API listens. */
  readonly apiAddress?: string;
  readonly models: readonly HeldModel[];
}

/** What a peer may change of what it says of itself. */
export type HeartbeatChanges = Partial<
  Omit<Heartbeat, 'sequence' | 'profileSequence' | 'incarnation' | 'mesh' | 'version' | 'startedAtMs'>
>;

/** What a peer says of itself before it has counted. */
export type FirstHeartbeat = Omit<Heartbeat, 'sequence' | 'profileSequence' | 'incarnation'>;

export const firstHeartbeat = (first: FirstHeartbeat): Heartbeat => ({
  ...first,
  sequence: 1,
  profileSequence: 1,
  incarnation: 1,
});

/** Smaller changes of the use of a machine are told to nobody. */
const CPU_STEP_PERCENT = 10;
const MEMORY_STEP_SHARE = 0.1;

/** The heartbeat after changes; the same when none is worth telling. */
export function revised(before: Heartbeat, changes: HeartbeatChanges): Heartbeat {
  const after = { ...before, ...changes };
  const sequence = before.sequence + 1;
  if (!isSameProfile(before, after)) return { ...after, sequence, profileSequence: sequence };
  const isSameLoad =
    before.queueDepth === after.queueDepth &&
    before.activeRequests === after.activeRequests &&
    Math.abs(before.cpuPercent - after.cpuPercent) < CPU_STEP_PERCENT &&
    Math.abs(before.memoryBytes - after.memoryBytes) <= MEMORY_STEP_SHARE * before.memoryBytes;
  return isSameLoad ? before : { ...after, models: before.models, sequence };
}

/** The heartbeat that contradicts a suspicion of `incarnation`, or what others take for a later one of this peer. */
export function reasserted(before: Heartbeat, { incarnation = 0, sequence = 0 }): Heartbeat {
  const next = Math.max(before.sequence, sequence) + 1;
  return {
    ...before,
    sequence: next,
    profileSequence: next,
    incarnation: Math.max(before.incarnation, incarnation) + 1,
  };
}

const isSameProfile = (a: Heartbeat, b: Heartbeat): boolean =>
  a.state === b.state &&
  a.name === b.name &&
  a.macsPerSecond === b.macsPerSecond &&
  a.memoryBudgetBytes === b.memoryBudgetBytes &&
  a.apiAddress === b.apiAddress &&
  a.models.length === b.models.length &&
  a.models.every((model, index) => {
    const other = b.models[index]!;
    return (
      model.id === other.id &&
      model.name === other.name &&
      model.bytesHeld === other.bytesHeld &&
      model.bytesTotal === other.bytesTotal
    );
  });

/** The part of a version that must agree. What two peers say to each other has versions of its own, in every protocol. */
const compatibleRange = (version: string): string => /^(\d+)\.\d+\./.exec(version)?.[1] ?? version;

/** Why this peer cannot work with ours, as advice for people; null when it can. */
export function incompatibility(
  ours: { readonly mesh: string; readonly version: string },
  theirs: { readonly mesh: string; readonly version: string },
): string | null {
  if (ours.mesh !== theirs.mesh) {
    return `belongs to the mesh '${theirs.mesh}', this peer to '${ours.mesh}': give both the same mesh name to join them`;
  }
  if (compatibleRange(ours.version) !== compatibleRange(theirs.version)) {
    return `runs version ${theirs.version}, this peer ${ours.version}: run compatible versions on both`;
  }
  return null;
}
