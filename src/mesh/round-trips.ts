/** Round-trip times to other peers: a libp2p ping every ten seconds or so, smoothed. */
import type { Ping } from '@libp2p/ping';
import { peerIdFromString } from '@libp2p/peer-id';
import type { PeerId } from '../core/ids.ts';

const EVERY_MS = 10_000;
const TIMEOUT_MS = 3_000;

interface Measured {
  rttMs: number | null;
  nextMs: number;
}

export interface RoundTrips {
  /** Null until measured. */
  of(peer: PeerId): number | null;
  /** Measures those whose time has come, and forgets everyone else. */
  measure(peers: readonly PeerId[]): void;
}

export function createRoundTrips(ping: Pick<Ping, 'ping'>): RoundTrips {
  const all = new Map<PeerId, Measured>();

  async function measureOne(peer: PeerId, measured: Measured): Promise<void> {
    // Spread out, or all peers would ping each other at the same moment.
    measured.nextMs = performance.now() + EVERY_MS * (0.75 + Math.random() / 2);
    try {
      const rttMs = await ping.ping(peerIdFromString(peer), { signal: AbortSignal.timeout(TIMEOUT_MS) });
      measured.rttMs = measured.rttMs === null ? rttMs : 0.75 * measured.rttMs + 0.25 * rttMs;
    } catch {
      // Says nothing about the peer: whether it failed is decided by its heartbeats.
    }
  }

  return {
    of: (peer) => all.get(peer)?.rttMs ?? null,
    measure(peers) {
      const wanted = new Set(peers);
      for (const peer of all.keys()) if (!wanted.has(peer)) all.delete(peer);
      for (const peer of wanted) {
        const measured = all.get(peer) ?? { rttMs: null, nextMs: 0 };
        all.set(peer, measured);
        if (performance.now() >= measured.nextMs) void measureOne(peer, measured);
      }
    },
  };
}
