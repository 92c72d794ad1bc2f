/** Predicted times, in milliseconds. Every number that planning and simulation compare comes from here. */
import type { PeerId } from '../ids.ts';

/** What a peer can do. */
export interface PeerProfile {
  readonly peer: PeerId;
  /** Multiply-accumulates per second in convolutions of comfortable size. */
  readonly macsPerSecond: number;
  /** Weights and feature maps it may hold, in bytes. */
  readonly memoryBudgetBytes: number;
}

/** What the network between two peers does; what moving data costs their processors is in `Overheads`. */
export interface LinkProfile {
  /** In either direction: links are full duplex. */
  readonly bytesPerSecond: number;
  /** From the last byte sent to the first one handled, where neither end has anything else to do. */
  readonly latencyMs: number;
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

/** Processor time that the mesh itself takes of a peer. */
export interface Overheads {
  /** Handing a tile to a kernel and taking its result back. */
  readonly tileMs: number;
  /** Sending or receiving one message, whatever its size. */
  readonly messageMs: number;
  /** Sending or receiving one byte. */
  readonly byteMs: number;
  /** Giving work to one participant, and hearing of it. */
  readonly participantMs: number;
}

export const GIGABIT: LinkProfile = Object.freeze({ bytesPerSecond: 117e6, latencyMs: 0.2 });

/** Measured on a core that does this many multiply-accumulates a second (x86-64, AVX-512, Node 24). */
const REFERENCE_MACS_PER_SECOND = 60e9;
const REFERENCE: Overheads = Object.freeze({ tileMs: 0.3, messageMs: 0.1, byteMs: 1e-6, participantMs: 0.3 });
/** A faster kernel does not make JavaScript faster without end. */
const MIN_SCALE = 0.5;

/** How many times slower than the machine of the measurements one runs JavaScript that does so much in its kernels. */
export const slownessOf = (macsPerSecond: number): number =>
  Math.max(MIN_SCALE, REFERENCE_MACS_PER_SECOND / macsPerSecond);

export const scaledOverheads = (slowness: number): Overheads => ({
  tileMs: REFERENCE.tileMs * slowness,
  messageMs: REFERENCE.messageMs * slowness,
  byteMs: REFERENCE.byteMs * slowness,
  participantMs: REFERENCE.participantMs * slowness,
});

/** Peers that compute slowly run JavaScript slowly: both are scaled alike, from what was measured on one machine. */
export const overheadsOf = ({ macsPerSecond }: PeerProfile): Overheads => scaledOverheads(slownessOf(macsPerSecond));

/**
 * Elementwise work and copies, and weights that are used once: bytes that memory moves while the kernel does one
 * multiply-accumulate. A fully connected layer of one image is bound by this alone.
 */
const BYTES_PER_MAC = 0.35;
const ELEMENT_TRAFFIC_BYTES = 8;

/** Inside the kernel. */
export const kernelMs = (macsPerSecond: number, work: Work): number =>
  ((work.effectiveMacs + (work.elements * ELEMENT_TRAFFIC_BYTES + work.weightBytes) / BYTES_PER_MAC) / macsPerSecond) *
  1000;

export const computeMs = (profile: PeerProfile, work: Work): number =>
  overheadsOf(profile).tileMs + kernelMs(profile.macsPerSecond, work);

/** Making a tile's program ready where it is not: kernels rearrange the weights of convolutions, this many bytes a second. */
const PREPARED_BYTES_PER_SECOND = 150e6;

export const prepareMs = (work: Work): number => (work.weightBytes / PREPARED_BYTES_PER_SECOND) * 1000;

/** Processor time and time on the wire; the busier direction of a link counts, messages cost either way. */
export const transferMs = (link: LinkProfile, overheads: Overheads, traffic: Traffic): number => {
  const { bytesIn, bytesOut, messagesIn, messagesOut } = traffic;
  if (messagesIn + messagesOut === 0) return 0;
  return (
    link.latencyMs +
    (Math.max(bytesIn, bytesOut) / link.bytesPerSecond) * 1000 +
    (messagesIn + messagesOut) * overheads.messageMs +
    (bytesIn + bytesOut) * overheads.byteMs
  );
};

/** Spreading a plan over so many participants, at the coordinator. */
export const setupMs = (coordinator: PeerProfile, participants: number): number =>
  participants <= 1 ? 0 : 2 + participants * overheadsOf(coordinator).participantMs;
