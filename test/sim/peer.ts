/**
 * A simulated peer: the membership's steps and the actors of requests as they are, over a clock and a network that are not
 * real. It may die, freeze and be slow.
 */
import type { Kernel } from '../../kernels/kernel.ts';
import { encodePiece } from '../../protocols/pieces/frame.ts';
import type { Piece } from '../../protocols/pieces/messages.ts';
import { Reassembly } from '../../protocols/pieces/reassembly.ts';
import type { AnswerMessage } from '../../protocols/answers/messages.ts';
import type { ElectionMessage } from '../../protocols/election/messages.ts';
import type { PlanMessage } from '../../protocols/plan/messages.ts';
import { ENTRY_DEFAULTS } from '../../src/core/election/entry.ts';
import { createFence } from '../../src/core/election/fence.ts';
import { MeshError } from '../../src/core/errors.ts';
import { asPeerId, type PeerId } from '../../src/core/ids.ts';
import { firstHeartbeat, type HeartbeatChanges } from '../../src/core/membership/heartbeat.ts';
import { MEMBERSHIP_DEFAULTS } from '../../src/core/membership/member.ts';
import {
  beginMembership,
  stepMembership,
  type MembershipEvent,
  type MembershipState,
} from '../../src/core/membership/membership.ts';
import { viewOf } from '../../src/core/membership/view.ts';
import { doubtfulMembers, usualWaitMs } from '../../src/core/membership/watch.ts';
import { PeerActors } from '../../src/mesh/peer-actors.ts';
import { Paces } from '../../src/mesh/paces.ts';
import type { Planner } from '../../src/mesh/plan-thread.ts';
import type { Clock, MemberDirectory, MessageChannel, PieceChannel } from '../../src/mesh/ports.ts';
import { ProgramShelf } from '../../src/mesh/program-shelf.ts';
import { silentLogger } from '../../src/observability/logger.ts';
import type { EventQueue } from '../../src/sim/event-queue.ts';
import type { Random } from '../property/random.ts';
import { GRAPH, MODEL_ID } from './model.ts';
import type { End, Network } from './network.ts';

/** What is left out of the mesh, to see that its lack is found. */
export type Planted = 'none' | 'fence' | 'lease' | 'checksum';

export type Spoken = ElectionMessage | PlanMessage;

export interface PeerSetup {
  readonly index: number;
  readonly startedAtMs: number;
  readonly queue: EventQueue;
  readonly network: Network;
  readonly random: Random;
  readonly kernel: Kernel;
  readonly planner: Planner;
  readonly planted: Planted;
  /** The process that is that peer now. */
  readonly peerAt: (index: number) => SimulatedPeer;
  readonly peers: number;
  /** Called with what it hears and says, as it does. */
  readonly onHeard: (by: SimulatedPeer, from: PeerId, message: Spoken) => void;
  readonly onSaid: (by: SimulatedPeer, to: PeerId, message: Spoken) => void;
  /** Called when more may follow from what it does, before time goes on. */
  readonly onStirred: () => void;
}

export const peerName = (index: number): PeerId => asPeerId(`peer${index}`);
export const indexOf = (peer: PeerId): number => Number(peer.slice(4));

const MESH = { mesh: 'simulated', version: '1.0.0' } as const;
const MAX_REQUESTS = 16;
const RETRY_MS = 500;
const FIRST_DIAL_MS = 50;
const LONGEST_PLAN_MS = 200;
const LONGEST_PREPARE_MS = 20;
const LONGEST_RUN_MS = 60;
/** A lease that nobody ever finds lapsed, and an entry that lets a coordinator ask for it. */
const NO_LEASE_MS = 1e9;
const LEASELESS = { ...ENTRY_DEFAULTS, maxLeaseMs: NO_LEASE_MS, termShare: 1 };

export class SimulatedPeer implements End {
  readonly index: number;
  readonly id: PeerId;
  readonly actors: PeerActors;
  readonly #setup: PeerSetup;
  readonly #lost = new Set<(peer: PeerId) => void>();
  readonly #found = new Set<(peer: PeerId) => void>();
  readonly #electionListeners = new Set<(from: PeerId, message: ElectionMessage) => void>();
  readonly #planListeners = new Set<(from: PeerId, message: PlanMessage) => void>();
  readonly #answerListeners = new Set<(from: PeerId, message: AnswerMessage) => void>();
  readonly #pieceListeners = new Set<(from: PeerId, piece: Piece) => void>();
  readonly #pieces: PieceChannel;
  readonly #wanted = new Set<number>();
  readonly #backlog: (() => void)[] = [];
  readonly #timers = new Set<() => void>();
  #state: MembershipState;
  #busyUntilMs = 0;
  isUp = true;
  isFrozen = false;
  /** What everything it does takes. */
  slownessMs = 0;
  /** What every tile takes beyond what it should. */
  dragMs = 0;

  constructor(setup: PeerSetup) {
    const { index, queue, startedAtMs, planted } = setup;
    this.#setup = setup;
    this.index = index;
    this.id = peerName(index);
    const local = firstHeartbeat({
      ...MESH,
      name: this.id,
      state: 'alive',
      startedAtMs,
      macsPerSecond: 4e9,
      memoryBudgetBytes: 1e9,
      queueDepth: 0,
      activeRequests: 0,
      models: [{ id: MODEL_ID, name: 'simulated', bytesHeld: 0, bytesTotal: 0 }],
      cpuPercent: 0,
      memoryBytes: 0,
    });
    this.#state = beginMembership({ ...MEMBERSHIP_DEFAULTS, ...MESH }, this.id, local, queue.nowMs);
    this.#pieces = this.#pieceChannel();
    const clock: Clock = { now: () => queue.nowMs, after: (delayMs, callback) => this.#after(delayMs, callback, true) };
    this.actors = new PeerActors({
      members: this.#directory(),
      elections: this.#channel('election', this.#electionListeners),
      plans: this.#channel('plan', this.#planListeners),
      pieces: this.#pieces,
      models: {
        noteHolder: () => undefined,
        graph: () => Promise.resolve(GRAPH),
        weights: () => Promise.resolve(null),
      },
      shelf: new ProgramShelf(this.#timed(setup.kernel, clock), 1e9),
      planner: this.#unhurried(setup.planner, clock),
      clock,
      logger: silentLogger(),
      answers: this.#answerChannel(),
      limits: { maxConcurrent: MAX_REQUESTS, maxQueued: MAX_REQUESTS, maxInputBytes: 1e9 },
      mapBytes: 1e9,
      arithmetic: 'exact',
      ...(planted === 'lease' ? { electionSettings: LEASELESS } : {}),
      ...(planted === 'fence' ? { createFence: () => ({ admit: () => true, highest: () => 0 }) } : { createFence }),
    });
  }

  get isResponsive(): boolean {
    return this.isUp && !this.isFrozen;
  }

  /** Other members by their state, as this peer sees them. */
  get members(): MembershipState['members'] {
    return this.#state.members;
  }

  get membership(): MembershipState {
    return this.#state;
  }

  /** Says something else of itself. */
  report(changes: HeartbeatChanges): void {
    this.#feed({ kind: 'local', changes });
  }

  start(): void {
    this.actors.start();
    this.#keepTicking();
    for (let index = 0; index < this.#setup.peers; index++) if (index !== this.index) this.#want(index, FIRST_DIAL_MS);
  }

  /** The process ends. @param isSilent its machine, too. */
  die(isSilent: boolean): void {
    this.isUp = false;
    this.#backlog.length = 0;
    for (const stop of [...this.#timers]) stop();
    this.#setup.network.bury(this, isSilent);
  }

  thaw(): void {
    this.isFrozen = false;
    for (const action of this.#backlog.splice(0)) this.run(action);
  }

  run(action: () => void): void {
    const { queue } = this.#setup;
    if (!this.isUp) return;
    if (this.isFrozen) {
      this.#backlog.push(action);
      return;
    }
    if (this.slownessMs === 0 && this.#busyUntilMs <= queue.nowMs) {
      action();
      return;
    }
    this.#busyUntilMs = Math.max(this.#busyUntilMs, queue.nowMs) + this.slownessMs;
    queue.at(this.#busyUntilMs, () => {
      if (!this.isUp) return;
      if (this.isFrozen) this.#backlog.push(action);
      else action();
    });
  }

  onConnected(peer: number): void {
    this.#wanted.delete(peer);
    this.#feed({ kind: 'connected', peer: peerName(peer) });
  }

  onDisconnected(peer: number): void {
    this.#feed({ kind: 'disconnected', peer: peerName(peer) });
  }

  #after(delayMs: number, callback: () => void, isStirring = false): () => void {
    let isOver = false;
    const stop = (): void => {
      isOver = true;
      cancel();
      this.#timers.delete(stop);
    };
    const cancel = this.#setup.queue.after(delayMs, () =>
      this.run(() => {
        if (isOver) return;
        this.#timers.delete(stop);
        if (isStirring) this.#setup.onStirred();
        callback();
      }),
    );
    this.#timers.add(stop);
    return stop;
  }

  #keepTicking(): void {
    const tick = (): void => {
      this.#feed({ kind: 'local', changes: { queueDepth: this.actors.load, activeRequests: this.actors.entry.load } });
      this.#feed({ kind: 'tick' });
      this.#after(MEMBERSHIP_DEFAULTS.tickMs, tick);
    };
    this.#after(this.#setup.random.integer(0, MEMBERSHIP_DEFAULTS.tickMs), tick);
  }

  #want(index: number, delayMs: number): void {
    if (this.#wanted.has(index)) return;
    this.#wanted.add(index);
    const dial = (): void => {
      const { network, peerAt } = this.#setup;
      if (!this.#wanted.has(index)) return;
      if (network.isConnected(this, index)) {
        this.#wanted.delete(index);
        return;
      }
      network.dial(this, peerAt(index));
      this.#after(RETRY_MS, dial);
    };
    this.#after(delayMs, dial);
  }

  #feed(event: MembershipEvent): void {
    const { queue, network, peerAt } = this.#setup;
    const [state, effects] = stepMembership(this.#state, event, queue.nowMs);
    this.#state = state;
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send': {
          const { message } = effect;
          for (const to of effect.to) {
            network.send(this, indexOf(to), 'health', () =>
              peerAt(indexOf(to)).#feed({ kind: 'message', peer: this.id, message }),
            );
          }
          break;
        }
        case 'up':
          this.#setup.onStirred();
          for (const listener of [...this.#found]) listener(effect.peer);
          break;
        case 'lost':
        case 'down':
          this.#setup.onStirred();
          for (const listener of [...this.#lost]) listener(effect.peer);
          break;
        case 'disconnect':
          network.close(this, indexOf(effect.peer));
          break;
        case 'redial':
          this.#want(indexOf(effect.peer), FIRST_DIAL_MS);
          break;
        case 'avoid':
          break;
      }
    }
  }

  #directory(): MemberDirectory {
    const { queue } = this.#setup;
    const paces = new Paces(() => queue.nowMs);
    const on = (listeners: Set<(peer: PeerId) => void>) => (listener: (peer: PeerId) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    };
    return {
      self: this.id,
      available: () =>
        viewOf(this.#state.members.values(), { peer: this.id, heartbeat: this.#state.local }).members.map(
          ({ peer, heartbeat }) => ({
            ...heartbeat,
            peer,
            macsPerSecond: paces.believed(peer, heartbeat.macsPerSecond),
            models: new Set([MODEL_ID]),
          }),
        ),
      nameOf: (peer) => peer,
      noteLate: (peer) => paces.late(peer),
      notePace: (peer, times) => paces.seen(peer, times),
      doubt: (peer) => peer !== this.id && this.#feed({ kind: 'doubt', peer }),
      doubtful: () => doubtfulMembers(this.#state, queue.nowMs),
      usualWaitMs: (peers) => usualWaitMs(this.#state, peers),
      onLost: on(this.#lost),
      onFound: on(this.#found),
    };
  }

  #channel<Message extends Spoken>(
    kind: string,
    listeners: Set<(from: PeerId, message: Message) => void>,
  ): MessageChannel<Message> {
    const { network, peerAt, onHeard, onSaid, queue, planted } = this.#setup;
    return {
      onMessage: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      send: (to, said) => {
        const message = planted === 'lease' && said.kind === 'accept' ? { ...said, leaseMs: NO_LEASE_MS } : said;
        onSaid(this, to, message);
        const deliver = (by: SimulatedPeer): void => {
          if (by !== this) by.#feed({ kind: 'heard', peer: this.id });
          onHeard(by, this.id, message);
          for (const listener of [...by.#listenersOf(kind)]) listener(this.id, message);
        };
        if (to === this.id) queue.after(0, () => this.run(() => deliver(this)));
        else if (!network.send(this, indexOf(to), kind, () => deliver(peerAt(indexOf(to))))) return gone(to);
        return Promise.resolve();
      },
    };
  }

  #listenersOf(kind: string): ReadonlySet<(from: PeerId, message: Spoken) => void> {
    return (kind === 'election' ? this.#electionListeners : this.#planListeners) as ReadonlySet<
      (from: PeerId, message: Spoken) => void
    >;
  }

  #answerChannel(): MessageChannel<AnswerMessage> {
    const { network, peerAt, queue, onStirred } = this.#setup;
    return {
      onMessage: (listener) => {
        this.#answerListeners.add(listener);
        return () => this.#answerListeners.delete(listener);
      },
      send: (to, message) => {
        const deliver = (by: SimulatedPeer): void => {
          onStirred();
          for (const listener of [...by.#answerListeners]) listener(this.id, message);
        };
        if (to === this.id) queue.after(0, () => this.run(() => deliver(this)));
        else if (!network.send(this, indexOf(to), 'answers', () => deliver(peerAt(indexOf(to))))) return gone(to);
        return Promise.resolve();
      },
    };
  }

  #pieceChannel(): PieceChannel {
    const { network, peerAt, queue } = this.#setup;
    return {
      admit: () => true,
      onPiece: (listener) => {
        this.#pieceListeners.add(listener);
        return () => this.#pieceListeners.delete(listener);
      },
      send: (to, piece) => {
        if (to === this.id) {
          queue.after(0, () => this.run(() => this.#takePiece(this.id, piece)));
          return Promise.resolve();
        }
        const sent = { ...piece, bytes: piece.bytes.slice() };
        const isSent = network.send(this, indexOf(to), 'pieces', (isCorrupt) => {
          const by = peerAt(indexOf(to));
          if (!isCorrupt) by.#takePiece(this.id, { ...sent, bytes: sent.bytes.slice() });
          else by.#takeCorrupt(this.id, sent);
        });
        return isSent ? Promise.resolve() : gone(to);
      },
    };
  }

  #takePiece(from: PeerId, piece: Piece): void {
    this.#setup.onStirred();
    if (from !== this.id) this.#feed({ kind: 'heard', peer: from });
    if (!this.#pieces.admit(from, { ...piece, byteLength: piece.bytes.byteLength })) return;
    for (const listener of [...this.#pieceListeners]) listener(from, piece);
  }

  /** A bit has flipped on the way. Who checks resets the stream, and the connection with it. */
  #takeCorrupt(from: PeerId, sent: Piece): void {
    const { network, planted, random } = this.#setup;
    const bytes = sent.bytes.slice();
    bytes[random.integer(0, bytes.byteLength - 1)]! ^= 1 << random.integer(4, 7);
    if (planted === 'checksum') {
      this.#takePiece(from, { ...sent, bytes });
      return;
    }
    const reassembly = new Reassembly(
      {
        admit: () => true,
        onPiece: (piece) => piece === 'dropped' || this.#takePiece(from, piece),
        onConsumed: () => undefined,
      },
      { free: Infinity },
    );
    try {
      for (const frame of encodePiece(sent)) {
        const head = frame.subarray(0, frame.byteLength - sent.bytes.byteLength);
        reassembly.begin(frame.byteLength);
        reassembly.push(head);
        reassembly.push(bytes);
        reassembly.end();
      }
    } catch (error) {
      if (!(error instanceof MeshError) || error.code !== 'INVALID_MESSAGE') throw error;
      network.close(this, indexOf(from));
    }
  }

  #pause(clock: Clock, mostMs: number, moreMs = 0): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.after(this.#setup.random.integer(1, mostMs) + 4 * this.slownessMs + moreMs, resolve);
    return promise;
  }

  #unhurried(planner: Planner, clock: Clock): Planner {
    return {
      ...planner,
      plan: async (...parameters) => {
        await this.#pause(clock, LONGEST_PLAN_MS);
        return planner.plan(...parameters);
      },
    };
  }

  #timed(kernel: Kernel, clock: Clock): Kernel {
    return {
      ...kernel,
      prepare: async (...parameters) => {
        await this.#pause(clock, LONGEST_PREPARE_MS);
        await kernel.prepare(...parameters);
      },
      run: async (...parameters) => {
        await this.#pause(clock, LONGEST_RUN_MS, this.dragMs);
        return kernel.run(...parameters);
      },
    };
  }
}

const gone = (peer: PeerId): Promise<never> =>
  Promise.reject(new MeshError('PEER_LOST', `no connection to ${peer}`, { details: { peer } }));
