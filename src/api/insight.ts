/** What people may ask of a peer about what it and the others did, and how they are. */
import type { HeardCard } from '../core/card.ts';
import type { PeerId, RequestId } from '../core/ids.ts';
import type { RequestSummary } from '../core/trace/summary.ts';
import type { RequestTrace } from '../core/trace/trace.ts';
import type { Journal } from '../observability/journal.ts';

/** Something that happened, as this peer saw it. Names and texts come from the network. */
export interface MeshEvent {
  readonly kind:
    | 'member-up'
    | 'member-lost'
    | 'member-down'
    | 'models-changed'
    | 'model-evicted'
    | 'request-arrived'
    | 'request-answered'
    | 'request-failed';
  readonly peer?: PeerId;
  readonly name?: string;
  readonly requestId?: RequestId;
  readonly text?: string;
}

/** Requests, peers and events of the mesh, as one of its peers can tell. */
export interface Insight {
  /** Newest first; of this peer, or of all that answer within 2 s. */
  requests(scope: 'peer' | 'mesh', signal: AbortSignal): Promise<readonly RequestSummary[]>;
  /** @throws MeshError NOT_FOUND when no peer remembers it. */
  trace(requestId: RequestId, signal: AbortSignal): Promise<RequestTrace>;
  /** This peer first. */
  cards(signal: AbortSignal): Promise<readonly HeardCard[]>;
  /** Round trips to a peer, milliseconds. @throws MeshError PEER_LOST, DEADLINE_EXCEEDED. */
  ping(peer: PeerId, times: number, signal: AbortSignal): Promise<readonly number[]>;
  readonly events: Journal<MeshEvent>;
  /** Records of the log, JSON each. */
  readonly logs: Journal<string>;
}
