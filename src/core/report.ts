/** What became of one request, for people: who coordinated, who computed what, what moved and how long it took. */
import type { ModelId, PeerId } from './ids.ts';

/** The share of one block that one peer computed. */
export interface PartReport {
  readonly peer: PeerId;
  /** The output region computed, as `[0:1, 0:64, 0:112, 0:224]`. */
  readonly region: string;
  /** Time inside the kernel. */
  readonly computeMs: number;
  /** Bytes of input that came from other peers. */
  readonly haloBytes: number;
}

/** One block of the plan: a run of nodes executed without an exchange in between. */
export interface BlockReport {
  /** Names of the nodes, in the order of the graph. */
  readonly nodes: readonly string[];
  /** How the block was cut, as `rows, 4 parts`. */
  readonly cut: string;
  readonly parts: readonly PartReport[];
}

/** How an answer was verified. */
export interface Verification {
  /** Peers that computed it alone and came to the same; none in a mesh of one peer. */
  readonly confirmedBy: readonly PeerId[];
  /** Whether what came first was wrong, and is not what was given. */
  readonly isCorrected: boolean;
  /** Peers that were seen to say what no honest computation says. */
  readonly liars: readonly PeerId[];
}

/** One request from its arrival to its answer. */
export interface RunReport {
  readonly model: string;
  readonly modelId: ModelId;
  /** The peer that planned the request and saw to it that the plan was carried out. */
  readonly coordinator: PeerId;
  /** The peer the request came in at. */
  readonly entry: PeerId;
  /** What the peers of this report call themselves: text from the network, to be cleaned before it is shown. */
  readonly names: Readonly<Record<PeerId, string>>;
  /** Term of the coordinator that answered; above 1 where an earlier coordinator was lost. */
  readonly term: number;
  /** How often the work was planned, the first time included. */
  readonly attempts: number;
  /** From the arrival of the request to the complete answer. */
  readonly elapsedMs: number;
  /** `whole on one peer`, or how the plan cuts the network. */
  readonly cut: string;
  readonly blocks: readonly BlockReport[];
  /** Bytes that moved directly between participants. */
  readonly bytesPeerToPeer: number;
  /** Bytes of inputs and outputs that moved from or to the entry. */
  readonly bytesThroughEntry: number;
  /** What the cost model expected. */
  readonly predictedMs: number;
  /** Peers that were lost while the request ran. */
  readonly lostPeers: readonly PeerId[];
  /** Present where the answer was verified before it was given. */
  readonly verification?: Verification;
}

/** Number of tiles that were computed, by anybody. */
export const tilesOf = ({ blocks }: RunReport): number => blocks.reduce((sum, { parts }) => sum + parts.length, 0);
