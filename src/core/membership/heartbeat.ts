/** What a peer says of itself every second, and whether two peers can work together. */
import type { ModelId } from '../ids.ts';

export interface HeldModel {
  readonly id: ModelId;
  readonly name: string;
  readonly bytesHeld: number;
  readonly bytesTotal: number;
}

export interface Heartbeat {
  /** Counts the heartbeats of this run of the peer. */
  readonly sequence: number;
  readonly mesh: string;
  /** Name of the peer, for people. */
  readonly name: string;
  /** Version of its program. */
  readonly version: string;
  /** `joining`: up, but not ready for work; `draining`: finishes what it has and takes nothing new. */
  readonly state: 'joining' | 'alive' | 'draining';
  /** Unix time. */
  readonly startedAtMs: number;
  /** Measured multiply-accumulates per second. */
  readonly macsPerSecond: number;
  readonly memoryBudgetBytes: number;
  readonly queueDepth: number;
  readonly activeRequests: number;
  /** Where its HTTP API listens. */
  readonly apiAddress?: string;
  readonly models: readonly HeldModel[];
  /** Share of all its cores in use, 0 to 100. */
  readonly cpuPercent: number;
  /** Resident memory of its process. */
  readonly memoryBytes: number;
}

/** The part of a version that must agree: the major version, before 1.0 the minor one as well. */
function compatibleRange(version: string): string {
  const [, major, minor] = /^(\d+)\.(\d+)\./.exec(version) ?? [];
  return major === undefined ? version : major === '0' ? `0.${minor!}` : major;
}

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
