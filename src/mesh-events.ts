/** What happens in a running peer, as events for whoever follows them. */
import type { MeshEvent } from './api/insight.ts';
import type { PeerId } from './core/ids.ts';
import type { Membership } from './mesh/membership.ts';
import type { Recorder } from './mesh/recording.ts';
import type { Journal } from './observability/journal.ts';

export interface EventSources {
  readonly membership: Pick<Membership, 'on'>;
  readonly records: Pick<Recorder, 'onMark'>;
  readonly nameOf: (peer: PeerId) => string;
  /** Why a peer is banned or incompatible. */
  readonly detailOf: (peer: PeerId) => string | null;
}

/** Marks of the entry that are of interest to others. */
const KINDS = { arrived: 'request-arrived', answered: 'request-answered', failed: 'request-failed' } as const;

const because = (reason: string, detail: string | null): string =>
  detail === null || detail === '' ? reason : `${reason}: ${detail}`;

/** Returns how to stop. */
export function journalEvents(
  events: Journal<MeshEvent>,
  { membership, records, nameOf, detailOf }: EventSources,
): () => void {
  const stops = [
    membership.on('up', (peer) => events.write({ kind: 'member-up', peer, name: nameOf(peer) })),
    membership.on('lost', (peer, cause) =>
      events.write({ kind: 'member-lost', peer, name: nameOf(peer), text: cause }),
    ),
    membership.on('down', (peer, reason) =>
      events.write({ kind: 'member-down', peer, name: nameOf(peer), text: because(reason, detailOf(peer)) }),
    ),
    records.onMark(({ requestId, facts }, { what, peer, text }) => {
      if (what !== 'arrived' && what !== 'answered' && what !== 'failed') return;
      const detail = text ?? facts?.model;
      events.write({
        kind: KINDS[what],
        requestId,
        ...(peer && { peer, name: nameOf(peer) }),
        ...(detail !== undefined && { text: detail }),
      });
    }),
  ];
  return () => stops.forEach((stop) => stop());
}
