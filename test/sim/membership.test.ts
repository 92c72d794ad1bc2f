/** Twenty-four peers that do nothing but see each other, on a network and a clock that are not real. */
import assert from 'node:assert/strict';
import { createReferenceKernel } from '../../kernels/reference/kernel.ts';
import { EventQueue } from '../../src/sim/event-queue.ts';
import { randomOf } from '../property/random.ts';
import { createPlanner } from './model.ts';
import { Network } from './network.ts';
import { SimulatedPeer } from './peer.ts';

const PEERS = 24;
const SETTLED_MS = 15_000;

class Crowd {
  readonly peers: SimulatedPeer[] = [];
  readonly queue = new EventQueue();
  readonly network: Network;

  constructor(seed: number) {
    const random = randomOf(seed);
    const { queue } = this;
    this.network = new Network(queue, random);
    for (let index = 0; index < PEERS; index++) {
      const nothing = (): void => undefined;
      const peer: SimulatedPeer = new SimulatedPeer({
        index,
        startedAtMs: 1,
        queue,
        network: this.network,
        random,
        kernel: createReferenceKernel(),
        planner: createPlanner(),
        planted: 'none',
        peers: PEERS,
        peerAt: (other) => this.peers[other]!,
        onHeard: nothing,
        onSaid: nothing,
        onStirred: nothing,
      });
      this.peers.push(peer);
    }
    for (const peer of this.peers) peer.start();
    this.queue.run(SETTLED_MS);
  }

  /** Lets time pass until something holds; how long that took. */
  until(limitMs: number, holds: () => boolean): number {
    const beganMs = this.queue.nowMs;
    this.queue.run(beganMs + limitMs, holds);
    assert.ok(holds(), `not within ${limitMs} ms`);
    return this.queue.nowMs - beganMs;
  }

  sees(viewer: SimulatedPeer, states: readonly string[]): number {
    return [...viewer.members.values()].filter(({ state }) => states.includes(state)).length;
  }

  isWhole(): boolean {
    return this.peers.every((peer) => this.sees(peer, ['alive']) === PEERS - 1);
  }
}

describe('a mesh of 24 peers', function () {
  this.timeout(120_000);
  const gone = ['suspect', 'failed'];

  for (const seed of [1, 2, 3]) {
    describe(`seed ${seed}`, () => {
      let crowd: Crowd;

      beforeEach(() => {
        crowd = new Crowd(seed);
        assert.ok(crowd.isWhole());
      });

      it('notices within 4 s that one froze, everybody, and takes it back within 3 s after the thaw', () => {
        const frozen = crowd.peers[seed]!;
        const others = crowd.peers.filter((peer) => peer !== frozen);
        frozen.isFrozen = true;
        crowd.until(4_000, () => others.every((peer) => gone.includes(peer.members.get(frozen.id)!.state)));
        assert.ok(
          others.every((peer) => crowd.sees(peer, gone) === 1),
          'others are suspected, too',
        );
        crowd.queue.run(crowd.queue.nowMs + 10_000);
        frozen.thaw();
        crowd.until(3_000, () => crowd.isWhole());
      });

      it('notices within 100 ms that one was killed', () => {
        const killed = crowd.peers[seed]!;
        killed.die(false);
        const others = crowd.peers.filter((peer) => peer !== killed);
        crowd.until(100, () => others.every((peer) => gone.includes(peer.members.get(killed.id)!.state)));
      });

      it('parts within 10 s when it is cut in two, and is one again within 3 s after that is mended', () => {
        const island = new Set(crowd.peers.map(({ index }) => index).filter((index) => (index * 7 + seed) % 2 === 0));
        crowd.network.cut(island);
        const isParted = (): boolean =>
          crowd.peers.every((peer) =>
            crowd.peers.every((other) => {
              const isSeen = other === peer || !gone.includes(peer.members.get(other.id)!.state);
              return isSeen === (island.has(peer.index) === island.has(other.index));
            }),
          );
        crowd.until(10_000, isParted);
        crowd.queue.run(crowd.queue.nowMs + 20_000);
        crowd.network.mend();
        crowd.until(3_000, () => crowd.isWhole());
      });

      it('suspects nobody while everybody is busy most of the time', () => {
        for (const peer of crowd.peers) peer.slownessMs = 25;
        for (let round = 0; round < 240; round++) {
          crowd.queue.run(crowd.queue.nowMs + 250);
          assert.ok(crowd.isWhole(), `after ${round * 250} ms`);
        }
      });

      it('lets everybody know within 8 s how busy one is', () => {
        const busy = crowd.peers[seed]!;
        const { sequence } = busy.membership.local;
        busy.report({ activeRequests: 3 });
        assert.equal(busy.membership.local.sequence, sequence + 1);
        crowd.until(8_000, () =>
          crowd.peers.every((peer) => peer === busy || peer.members.get(busy.id)!.heartbeat!.sequence > sequence),
        );
      });
    });
  }
});
