/** Predicted times, in milliseconds. Every number that planning compares comes from here. */
import type { PeerId } from '../ids.ts';

/** What a peer can do. */
export interface PeerProfile {
  readonly peer: PeerId;
  /** Multiply-accumulates per second in convolutions of comfortable size. */
  readonly macsPerSecond: number;
  /** Weights and feature maps it may hold, in bytes. */
  readonly memoryBudgetBytes: number;
}

/** What moving data costs. */
export interface LinkProfile {
  readonly bytesPerSecond: number;
  /** Processor time and latency of one message, both ends together. */
  readonly messageMs: number;
}

/** Work of a tile, as the demand walk counts it. */
export interface Work {
  /** Multiply-accumulates, weighted by how much slower thin regions run. */
  readonly effectiveMacs: number;
  /** Elements written by all operators. */
  readonly elements: number;
  /** Weights read, in bytes. */
  readonly weightBytes: number;
}

/** What one peer sends and receives between two blocks. */
export interface Traffic {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
}

export const GIGABIT: LinkProfile = { bytesPerSecond: 117e6, messageMs: 0.4 };

/** Handing a tile to a kernel and taking its result back. */
const TILE_OVERHEAD_MS = 0.3;
/**
 * Elementwise work and copies, and weights that are used once: bytes that memory moves while the kernel does one
 * multiply-accumulate. A fully connected layer of one image is bound by this alone.
 */
const BYTES_PER_MAC = 0.35;
const ELEMENT_TRAFFIC_BYTES = 8;
/** Sending the plan to one participant and hearing that it is ready. */
const PARTICIPANT_MS = 0.8;

export const computeMs = (profile: PeerProfile, work: Work): number =>
  TILE_OVERHEAD_MS +
  ((work.effectiveMacs + (work.elements * ELEMENT_TRAFFIC_BYTES + work.weightBytes) / BYTES_PER_MAC) /
    profile.macsPerSecond) *
    1000;

/** Making a tile's program ready where it is not: kernels rearrange the weights of convolutions, this many bytes a second. */
const PREPARED_BYTES_PER_SECOND = 150e6;

export const prepareMs = (work: Work): number => (work.weightBytes / PREPARED_BYTES_PER_SECOND) * 1000;

/** Links are full duplex: the busier direction counts, and messages cost processor time either way. */
export const transferMs = (link: LinkProfile, traffic: Traffic): number =>
  (Math.max(traffic.bytesIn, traffic.bytesOut) / link.bytesPerSecond) * 1000 +
  (traffic.messagesIn + traffic.messagesOut) * link.messageMs;

export const setupMs = (participants: number): number => (participants <= 1 ? 0 : 2 + participants * PARTICIPANT_MS);
