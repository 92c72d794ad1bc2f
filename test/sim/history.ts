/**
 * One history: five peers, some requests, some faults, and what must hold whatever happens. Everything follows from the
 * seed, so a history that breaks a rule can be told again.
 */
import { createReferenceKernel } from '../../kernels/reference/kernel.ts';
import { toMeshError } from '../../src/core/errors.ts';
import type { PeerId, RequestId } from '../../src/core/ids.ts';
import { EventQueue } from '../../src/sim/event-queue.ts';
import { requestIdOf } from '../../src/sim/random.ts';
import { randomOf, type Random } from '../property/random.ts';
import { delayOf, type Delay } from './delays.ts';
import { FAULTS_END_MS, PEERS, tell, type Call, type Fault } from './faults.ts';
import { createPlanner, inputOf, MODEL_ID, VARIANTS } from './model.ts';
import { CALM, Network } from './network.ts';
import { peerName, SimulatedPeer, type Planted, type Spoken } from './peer.ts';

export interface Outcome {
  readonly seed: number;
  /** Broken rules; empty when all is well. */
  readonly violations: readonly string[];
  readonly requests: number;
  /** Terms beyond the first, of all requests. */
  readonly elections: number;
  /** The longest time from the end of the faults, or from the call, to an answer. */
  readonly slowestMs: number;
  readonly delays: readonly Delay[];
  readonly events: number;
  /** What happened, for people; empty unless asked for. */
  readonly log: readonly string[];
}

/** After the faults all requests are answered, and the mesh is whole and idle, within this. */
const RECOVERY_MS = 20_000;
const DEADLINE_MS = 60_000;
/** Whoever has lost its entry asks another after this. */
const ASK_AGAIN_MS = 300;
/** One that is impatient asks another, too, after this. */
const PATIENCE_MS = 1_000;
/** Entries that one client waits for at a time. */
const MOST_ASKED = 2;
const MOST_TERMS = 200;
/** A history with more than this goes in circles. */
const MOST_EVENTS = 50_000;

/** Said by those that work on an attempt. */
const WORKING: ReadonlySet<Spoken['kind']> = new Set(['ready', 'preparing', 'progress', 'missed', 'finished']);

const kernel = createReferenceKernel();
const planner = createPlanner();
const expected = new Map<number, string>();

export class History {
  readonly #seed: number;
  readonly #planted: Planted;
  readonly #queue = new EventQueue();
  readonly #random: Random;
  readonly #network: Network;
  readonly #peers: SimulatedPeer[] = [];
  readonly #violations = new Set<string>();
  readonly #log: string[] | null;
  readonly #answers = new Map<Call, string[]>();
  readonly #delays: Delay[] = [];
  #faults: readonly Fault[] = [];
  /** Who accepted which term of which entry's request. */
  readonly #coordinators = new Map<string, PeerId>();
  readonly #proposals = new Map<RequestId, number>();
  /** The newest term of a request that a process was given work of. */
  readonly #terms = new Map<SimulatedPeer, Map<RequestId, number>>();
  #elections = 0;
  #slowestMs = 0;
  #events = 0;
  #isBusy = false;

  constructor(seed: number, planted: Planted = 'none', isLogged = false) {
    this.#seed = seed;
    this.#planted = planted;
    this.#random = randomOf(seed);
    this.#network = new Network(this.#queue, this.#random);
    this.#log = isLogged ? [] : null;
  }

  async play(): Promise<Outcome> {
    const { faults, calls } = tell(this.#random, VARIANTS);
    await this.#unfold(faults, calls);
    return {
      seed: this.#seed,
      violations: [...this.#violations],
      requests: calls.length,
      elections: this.#elections,
      slowestMs: this.#slowestMs,
      delays: this.#delays,
      events: this.#events,
      log: this.#log ?? [],
    };
  }

  /** The answer of one peer that nothing happens to. */
  async answerTo(variant: number): Promise<string> {
    const call = { atMs: 100, entry: 0, variant, parallelism: 1, isImpatient: false };
    await this.#unfold([], [call]);
    const [answer] = this.#answers.get(call) ?? [];
    if (answer === undefined) throw new Error('a request is not answered though nothing happens');
    return answer;
  }

  async #unfold(faults: readonly Fault[], calls: readonly Call[]): Promise<void> {
    this.#faults = faults;
    for (let index = 0; index < PEERS; index++) this.#start(index);
    for (const fault of faults) this.#plan(fault);
    for (const call of calls) {
      this.#answers.set(call, []);
      const requestId = requestIdOf(this.#seed, this.#answers.size);
      this.#queue.at(call.atMs, () => this.#call(call, requestId));
    }
    const lastMs = FAULTS_END_MS + RECOVERY_MS;
    while (!(this.#queue.nowMs > FAULTS_END_MS && this.#isQuiet()) && (await this.#next(lastMs))) {
      if (this.#events < MOST_EVENTS) continue;
      this.#break('there is no end of events');
      break;
    }
    for (const call of calls) {
      const { length } = this.#answers.get(call)!;
      const isRight = call.isImpatient ? length >= 1 && length <= MOST_ASKED : length === 1;
      if (!isRight) this.#break(`a request has ${length} answers`);
    }
    if (faults.length > 0) this.#checkQuiet();
    for (const peer of this.#peers) peer.die(true);
    await settled();
  }

  /** Lets the next thing happen, and all that follows from it at the same moment. False when there is none. */
  async #next(untilMs: number): Promise<boolean> {
    let looks = 0;
    this.#queue.run(untilMs, () => ++looks > 1);
    this.#events += 1;
    if (this.#isBusy) {
      this.#isBusy = false;
      await settled();
    }
    return looks > 1;
  }

  #start(index: number): void {
    const peer: SimulatedPeer = new SimulatedPeer({
      index,
      startedAtMs: Math.round(this.#queue.nowMs) + 1,
      queue: this.#queue,
      network: this.#network,
      random: this.#random,
      kernel,
      planner,
      planted: this.#planted,
      peers: PEERS,
      peerAt: (other) => this.#peers[other]!,
      onHeard: (by, from, message) => this.#heard(by, from, message),
      onSaid: (by, to, message) => this.#said(by, to, message),
      onStirred: () => (this.#isBusy = true),
    });
    this.#peers[index] = peer;
    this.#terms.set(peer, new Map());
    peer.start();
  }

  #plan(fault: Fault): void {
    this.#queue.at(fault.atMs, () => {
      this.#note(`${describe(fault)} until ${fault.untilMs}`);
      this.#begin(fault);
    });
    this.#queue.at(fault.untilMs, () => {
      this.#note(`over: ${describe(fault)}`);
      this.#end(fault);
    });
  }

  #begin(fault: Fault): void {
    switch (fault.kind) {
      case 'kill':
        this.#peers[fault.peer]!.die(fault.isSilent);
        this.#isBusy = true;
        break;
      case 'freeze':
        this.#peers[fault.peer]!.isFrozen = true;
        break;
      case 'slow':
        this.#peers[fault.peer]!.slownessMs = fault.slownessMs;
        break;
      case 'drag':
        this.#peers[fault.peer]!.dragMs = fault.dragMs;
        break;
      case 'cut':
        this.#network.cut(fault.island);
        break;
      case 'weather':
        this.#network.weather = fault.weather;
        break;
    }
  }

  #end(fault: Fault): void {
    switch (fault.kind) {
      case 'kill':
        if (this.#peers[fault.peer]!.isUp) break;
        this.#network.disown(fault.peer);
        this.#start(fault.peer);
        break;
      case 'freeze':
        this.#peers[fault.peer]!.thaw();
        break;
      case 'slow':
        this.#peers[fault.peer]!.slownessMs = 0;
        break;
      case 'drag':
        this.#peers[fault.peer]!.dragMs = 0;
        break;
      case 'cut':
        this.#network.mend();
        break;
      case 'weather':
        this.#network.weather = CALM;
        break;
    }
  }

  /** The client asks, and another entry, too, when it is impatient. */
  #call(call: Call, requestId: RequestId): void {
    this.#ask(call, requestId, call.entry);
    if (!call.isImpatient) return;
    this.#queue.after(PATIENCE_MS, () => {
      if (this.#answers.get(call)!.length === 0) this.#ask(call, requestId, (call.entry + 1) % PEERS);
    });
  }

  /** When the entry goes away, another one is asked, under the same id. */
  #ask(call: Call, requestId: RequestId, entry: number): void {
    const peer = this.#peers[entry]!;
    const isAnswered = (): boolean => this.#answers.get(call)!.length > 0;
    const again = (): void => this.#ask(call, requestId, (entry + MOST_ASKED) % PEERS);
    if (!peer.isUp) {
      this.#queue.after(ASK_AGAIN_MS, again);
      return;
    }
    this.#note(`request ${requestId.slice(0, 4)} at peer${entry}, parallelism ${call.parallelism}`);
    const watch = (): void => {
      if (peer.isUp) this.#queue.after(ASK_AGAIN_MS, watch);
      else if (!isAnswered()) again();
    };
    this.#queue.after(ASK_AGAIN_MS, watch);
    peer.run(() => {
      this.#isBusy = true;
      peer.actors.entry
        .infer({
          requestId,
          client: 'client',
          isNamed: true,
          model: 'simulated',
          modelId: MODEL_ID,
          inputs: inputOf(call.variant),
          parallelism: call.parallelism,
          deadlineMs: DEADLINE_MS,
          signal: new AbortController().signal,
        })
        .then(
          ({ outputs }) => {
            if (peer.isUp) this.#answered(call, requestId, Buffer.from(outputs.get('y')!.bytes).toString('hex'));
          },
          (error: unknown) => {
            if (!peer.isUp || isAnswered()) return;
            const { code, message } = toMeshError(error);
            this.#break(`a request failed with ${code}: ${message}`);
          },
        );
    });
  }

  #answered(call: Call, requestId: RequestId, text: string): void {
    const { nowMs } = this.#queue;
    const answers = this.#answers.get(call)!;
    if (answers.length === 0) this.#delays.push(delayOf(call, nowMs, this.#faults));
    answers.push(text);
    const right = expected.get(call.variant);
    if (right !== undefined && text !== right) this.#break('an answer is wrong');
    const sinceMs = Math.max(call.atMs, Math.min(nowMs, FAULTS_END_MS));
    this.#slowestMs = Math.max(this.#slowestMs, nowMs - sinceMs);
    this.#note(`request ${requestId.slice(0, 4)} answered`);
  }

  #heard(by: SimulatedPeer, from: PeerId, message: Spoken): void {
    this.#isBusy = true;
    this.#note(`${by.id} hears ${from}: ${message.kind} ${message.requestId.slice(0, 4)} term ${message.term}`);
    if (message.kind !== 'assign') return;
    const terms = this.#terms.get(by)!;
    terms.set(message.requestId, Math.max(message.term, terms.get(message.requestId) ?? 0));
  }

  #said(by: SimulatedPeer, to: PeerId, message: Spoken): void {
    const { requestId, term } = message;
    if (message.kind === 'propose') {
      const proposals = (this.#proposals.get(requestId) ?? 0) + 1;
      this.#proposals.set(requestId, proposals);
      if (proposals > 1) this.#elections += 1;
      if (proposals > MOST_TERMS) this.#break('a request has gone through too many terms');
    }
    if (message.kind === 'accept') {
      const key = `${requestId} ${term} ${to}`;
      const other = this.#coordinators.get(key);
      if (other !== undefined && other !== by.id) this.#break('two peers coordinate the same term of a request');
      this.#coordinators.set(key, by.id);
    }
    const isOld = term < (this.#terms.get(by)!.get(requestId) ?? 0);
    if (isOld && WORKING.has(message.kind)) this.#break('a peer works for an older term');
    this.#note(`${by.id} says to ${to}: ${message.kind} ${requestId.slice(0, 4)} term ${term}`);
  }

  /** Whether everything is answered, everybody idle, and the mesh one. */
  #isQuiet(): boolean {
    return (
      [...this.#answers.values()].every((answers) => answers.length > 0) &&
      this.#peers.every((peer) => loadOf(peer) === 0 && this.#missing(peer).length === 0)
    );
  }

  #missing(peer: SimulatedPeer): readonly string[] {
    return this.#peers.flatMap((other) => {
      const state = peer.members.get(other.id)?.state ?? 'unknown';
      return other === peer || state === 'alive' ? [] : [`${other.id} as ${state}`];
    });
  }

  #checkQuiet(): void {
    for (const peer of this.#peers) {
      const missing = this.#missing(peer);
      if (missing.length > 0)
        this.#break(`the mesh is not whole long after the faults: a peer sees ${missing.join(', ')}`);
      if (loadOf(peer) > 0) {
        const { actors, id } = peer;
        this.#note(`${id}: entry ${actors.entry.load}, coordinator ${actors.coordinator.load}, worker ${actors.load}`);
        this.#break('a peer still works long after the faults');
      }
      if (peer.members.size > PEERS || peer.membership.errands.size > 64) this.#break('a membership grows');
    }
  }

  #break(rule: string): void {
    this.#note(`BROKEN: ${rule}`);
    this.#violations.add(rule);
  }

  #note(text: string): void {
    this.#log?.push(`${this.#queue.nowMs.toFixed(1).padStart(9)} ${text}`);
  }
}

const loadOf = ({ actors }: SimulatedPeer): number => actors.load + actors.entry.load + actors.coordinator.load;

function describe(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return `${peerName(fault.peer)} ${fault.isSilent ? 'loses power' : 'is killed'}`;
    case 'freeze':
      return `${peerName(fault.peer)} is frozen`;
    case 'slow':
      return `${peerName(fault.peer)} takes ${fault.slownessMs} ms for everything`;
    case 'drag':
      return `${peerName(fault.peer)} takes ${fault.dragMs} ms more for every tile`;
    case 'cut':
      return `${[...fault.island].map(peerName).join(', ') || 'nobody'} cut off`;
    case 'weather':
      return `weather ${JSON.stringify(fault.weather)}`;
  }
}

/** Resolves when all that follows from what has happened has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The history of a seed. */
export async function historyOf(seed: number, planted: Planted = 'none', isLogged = false): Promise<Outcome> {
  for (let variant = 0; variant < VARIANTS && expected.size < VARIANTS; variant++) {
    expected.set(variant, await new History(0).answerTo(variant));
  }
  return new History(seed, planted, isLogged).play();
}
