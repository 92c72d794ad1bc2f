/**
 * The actor of membership: feeds connections, heartbeats and the clock to the pure step function of `core/membership` and
 * does what it asks for. It decides nothing itself.
 */
import { EventEmitter } from 'node:events';
import type { Connection, Libp2p } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { asPeerId, type PeerId } from '../core/ids.ts';
import {
  firstHeartbeat,
  type FirstHeartbeat,
  type Heartbeat,
  type HeartbeatChanges,
} from '../core/membership/heartbeat.ts';
import { MEMBERSHIP_DEFAULTS, type MemberState } from '../core/membership/member.ts';
import {
  beginMembership,
  stepMembership,
  type DownReason,
  type MembershipEffect,
  type MembershipEvent,
  type MembershipState,
} from '../core/membership/membership.ts';
import type { HealthMessage } from '../core/membership/messages.ts';
import { viewOf, type View } from '../core/membership/view.ts';
import { doubtfulMembers, usualWaitMs } from '../core/membership/watch.ts';
import type { Logger } from '../observability/logger.ts';
import type { Discovery } from './discovery.ts';
import { createUsageMeter } from './usage.ts';

/** What membership needs of the health protocol. */
export interface HealthPort {
  broadcast(
    peers: Iterable<PeerId>,
    message: HealthMessage,
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<PeerId, { readonly message: string }>>;
  onMessage(listener: (from: PeerId, message: HealthMessage) => void): () => void;
  onViolation(listener: (peer: PeerId, error: { readonly message: string }) => void): () => void;
}

export interface MembershipOptions {
  readonly host: Pick<
    Libp2p,
    'peerId' | 'addEventListener' | 'removeEventListener' | 'getConnections' | 'getMultiaddrs'
  > & {
    readonly services: {
      readonly discovery: Pick<Discovery, 'redial' | 'rest' | 'avoid'>;
    };
  };
  readonly health: HealthPort;
  /** What this peer says of itself at first. */
  readonly local: Omit<FirstHeartbeat, 'cpuPercent' | 'memoryBytes'>;
  readonly logger: Logger;
}

/** One member as this peer sees it. */
export interface MemberStatus {
  readonly peer: PeerId;
  readonly isSelf: boolean;
  readonly state: MemberState;
  readonly addresses: readonly string[];
  /** Smoothed; null until measured. */
  readonly rttMs: number | null;
  /** Null until it introduced itself. */
  readonly heartbeat: Heartbeat | null;
  /** Time since it was last heard; 0 for this peer. */
  readonly silentMs: number;
  /** Why it is incompatible or banned. */
  readonly detail: string | null;
}

/** Alternating per peer: `up (lost up)* [lost] down`. */
export interface MembershipEvents {
  /** Ready for work, for the first time or again. */
  readonly up: [peer: PeerId];
  /** Its connection dropped or it fell silent; it may come back. Move its running work. */
  readonly lost: [peer: PeerId, cause: 'disconnected' | 'silent' | 'restarted'];
  readonly down: [peer: PeerId, reason: DownReason];
  /** The state of any member changed, or one came or went. */
  readonly change: [];
}

/** How often the use of the machine is looked at. */
const USAGE_INTERVAL_MS = 1_000;
const SEND_TIMEOUT_MS = 3_000;
const GOODBYE_TIMEOUT_MS = 500;
/** A frame that cannot be read: ten a minute and the peer is banned. */
const VIOLATION_PENALTY = 10;

export class Membership {
  readonly self: PeerId;
  readonly #options: MembershipOptions;
  readonly #emitter = new EventEmitter<{ [Name in keyof MembershipEvents]: MembershipEvents[Name] }>();
  readonly #usage = createUsageMeter();
  readonly #queue: MembershipEvent[] = [];
  #state: MembershipState;
  #usageMs = 0;
  /** Of this peer, when somebody last looked. */
  #addresses: readonly string[] = [];
  /** Worked out when it is asked for: most changes are of no interest to anybody. */
  #view: View | undefined;
  #stops: (() => void)[] = [];
  #isStepping = false;

  constructor(options: MembershipOptions) {
    const { mesh, version } = options.local;
    this.#options = options;
    this.self = asPeerId(options.host.peerId.toString());
    const local = firstHeartbeat({ ...options.local, ...this.#usage() });
    this.#state = beginMembership({ ...MEMBERSHIP_DEFAULTS, mesh, version }, this.self, local, performance.now());
    this.#emitter.setMaxListeners(0);
  }

  /** Call before the host starts, or members are noticed up to a second late. */
  start(): void {
    const { host, health } = this.#options;
    const onOpen = ({ detail }: CustomEvent<Connection>): void =>
      this.#feed({ kind: 'connected', peer: asPeerId(detail.remotePeer.toString()) });
    const onDisconnect = ({ detail }: { readonly detail: { toString(): string } }): void =>
      this.#feed({ kind: 'disconnected', peer: asPeerId(detail.toString()) });
    host.addEventListener('connection:open', onOpen);
    host.addEventListener('peer:disconnect', onDisconnect);
    const timer = setInterval(() => this.#tick(), MEMBERSHIP_DEFAULTS.tickMs);
    this.#stops = [
      () => clearInterval(timer),
      () => host.removeEventListener('connection:open', onOpen),
      () => host.removeEventListener('peer:disconnect', onDisconnect),
      health.onMessage((peer, message) => this.#feed({ kind: 'message', peer, message })),
      health.onViolation((peer, error) => this.penalise(peer, VIOLATION_PENALTY, error.message)),
    ];
    for (const { remotePeer } of host.getConnections()) {
      this.#feed({ kind: 'connected', peer: asPeerId(remotePeer.toString()) });
    }
  }

  /** Says goodbye to everyone, waiting half a second at most, and stops listening. */
  async stop(reason = 'stopped'): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#stops = [];
    const peers = [...this.#state.members.values()].filter((member) => member.isConnected).map(({ peer }) => peer);
    await this.#options.health.broadcast(peers, { kind: 'goodbye', reason }, AbortSignal.timeout(GOODBYE_TIMEOUT_MS));
  }

  /** Alive members, this peer included when it is. */
  view(): View {
    return (this.#view ??= viewOf(this.#state.members.values(), { peer: this.self, heartbeat: this.#state.local }));
  }

  stateOf(peer: PeerId): MemberState | undefined {
    return peer === this.self ? this.#state.local.state : this.#state.members.get(peer)?.state;
  }

  /** Everyone known, this peer first. */
  members(): readonly MemberStatus[] {
    const { host } = this.#options;
    const nowMs = performance.now();
    const ownAddresses = (): readonly string[] => this.#ownAddresses();
    const self: MemberStatus = {
      peer: this.self,
      isSelf: true,
      state: this.#state.local.state,
      // The system is asked for its interfaces, which takes longer than all the rest: only when somebody looks.
      get addresses() {
        return ownAddresses();
      },
      rttMs: 0,
      heartbeat: this.#state.local,
      silentMs: 0,
      detail: null,
    };
    const others = [...this.#state.members.values()].map(
      ({ peer, state, heartbeat, heardMs, rttMs, detail }): MemberStatus => ({
        peer,
        isSelf: false,
        state,
        get addresses() {
          return host.getConnections(peerIdFromString(peer)).map(({ remoteAddr }) => remoteAddr.toString());
        },
        rttMs,
        heartbeat,
        silentMs: Math.max(0, nowMs - heardMs),
        detail,
      }),
    );
    return [self, ...others.sort((a, b) => (a.peer < b.peer ? -1 : 1))];
  }

  /** Returns how to stop listening. Listeners must not throw. */
  on<Name extends keyof MembershipEvents>(
    name: Name,
    listener: (...values: MembershipEvents[Name]) => void,
  ): () => void {
    const heard = listener as (...values: unknown[]) => void;
    this.#emitter.on(name, heard as never);
    return () => void this.#emitter.off(name, heard as never);
  }

  /** Changes what this peer says of itself. A change of state is told at once, the rest with the next heartbeats. */
  setLocal(changes: HeartbeatChanges): void {
    this.#feed({ kind: 'local', changes });
  }

  /** A message of another protocol came from the peer: it is alive, however late its next heartbeat is. */
  heard(peer: PeerId): void {
    if (peer !== this.self) this.#feed({ kind: 'heard', peer });
  }

  /** Somebody waits for the peer longer than can be explained: it is probed, and `lost` soon when nobody hears it. */
  doubt(peer: PeerId): void {
    if (peer !== this.self) this.#feed({ kind: 'doubt', peer });
  }

  /** Those that are suspected, and those that are doubted and have not answered yet. */
  doubtful(): readonly PeerId[] {
    return doubtfulMembers(this.#state, performance.now());
  }

  /** How long an answer of the slowest of these may usually take. */
  usualWaitMs(peers: readonly PeerId[]): number {
    return usualWaitMs(this.#state, peers);
  }

  /** The peer broke a rule; with a penalty of 100 within about a minute it is banned. */
  penalise(peer: PeerId, penalty: number, detail: string): void {
    this.#options.logger.warn({ peer, penalty, detail }, 'a peer broke the protocol');
    this.#feed({ kind: 'violation', peer, penalty, detail });
  }

  #tick(): void {
    const nowMs = performance.now();
    if (nowMs - this.#usageMs >= USAGE_INTERVAL_MS) {
      this.#usageMs = nowMs;
      this.setLocal(this.#usage());
    }
    this.#feed({ kind: 'tick' });
  }

  /** One event at a time: what an effect causes waits until all effects of the step are done. */
  #feed(event: MembershipEvent): void {
    this.#queue.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        const before = this.#state;
        const [state, effects] = stepMembership(before, next, performance.now());
        this.#state = state;
        const isSame = state.members === before.members && state.local === before.local;
        if (!isSame) this.#view = undefined;
        for (const effect of effects) this.#perform(effect);
        if (!isSame && hasNewState(before, state)) this.#emitter.emit('change');
      }
    } finally {
      this.#isStepping = false;
    }
  }

  #perform(effect: MembershipEffect): void {
    const { host, logger } = this.#options;
    switch (effect.kind) {
      case 'up':
        logger.info({ peer: effect.peer, name: this.#nameOf(effect.peer) }, 'member up');
        this.#emitter.emit('up', effect.peer);
        break;
      case 'lost':
        logger.warn({ peer: effect.peer, name: this.#nameOf(effect.peer), cause: effect.cause }, 'member lost');
        this.#emitter.emit('lost', effect.peer, effect.cause);
        break;
      case 'down':
        logger.info({ peer: effect.peer, name: this.#nameOf(effect.peer), reason: effect.reason }, 'member down');
        this.#emitter.emit('down', effect.peer, effect.reason);
        if (effect.reason === 'left') host.services.discovery.rest(effect.peer);
        break;
      case 'disconnect':
        // A frozen peer would not answer a polite close.
        for (const connection of host.getConnections(peerIdFromString(effect.peer))) {
          connection.abort(new Error('membership closed the connection'));
        }
        break;
      case 'redial':
        host.services.discovery.redial(effect.peer);
        break;
      case 'avoid':
        logger.warn({ peer: effect.peer, name: this.#nameOf(effect.peer) }, `a peer is kept out: it ${effect.detail}`);
        host.services.discovery.avoid(effect.peer, effect.forMs);
        break;
      case 'send':
        if (effect.to.length > 0) void this.#send(effect.to, effect.message);
        break;
    }
  }

  /** Never rejects: whoever does not get a message will notice. */
  async #send(to: readonly PeerId[], message: HealthMessage): Promise<void> {
    const { health, logger } = this.#options;
    try {
      const failures = await health.broadcast(to, message, AbortSignal.timeout(SEND_TIMEOUT_MS));
      for (const [peer, { message: reason }] of failures) logger.debug({ peer, reason }, 'health message not sent');
    } catch (error) {
      logger.warn({ err: error }, 'health messages not sent');
    }
  }

  /** As they were, where the system cannot say: without a file descriptor to ask by, it does not. */
  #ownAddresses(): readonly string[] {
    try {
      this.#addresses = this.#options.host.getMultiaddrs().map(String);
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the addresses of this machine are not to be had');
    }
    return this.#addresses;
  }

  #nameOf(peer: PeerId): string {
    return this.#state.members.get(peer)?.heartbeat?.name ?? '';
  }
}

const hasNewState = (before: MembershipState, after: MembershipState): boolean =>
  before.local.state !== after.local.state ||
  before.members.size !== after.members.size ||
  [...after.members.values()].some(({ peer, state }) => before.members.get(peer)?.state !== state);
