import assert from 'node:assert/strict';
import fc from 'fast-check';
import { asPeerId, type PeerId } from '../../../../src/core/ids.ts';
import { firstHeartbeat, type Heartbeat, type HeartbeatChanges } from '../../../../src/core/membership/heartbeat.ts';
import { MEMBERSHIP_DEFAULTS } from '../../../../src/core/membership/member.ts';
import type { Beat, HealthMessage } from '../../../../src/core/membership/messages.ts';
import {
  beginMembership,
  stepMembership,
  type MembershipEffect,
  type MembershipEvent,
  type MembershipState,
} from '../../../../src/core/membership/membership.ts';

const settings = { ...MEMBERSHIP_DEFAULTS, mesh: 'm', version: '1.2.3', maxMembers: 4 };
const self = asPeerId('self');
const a = asPeerId('a');
const b = asPeerId('b');

const heartbeat = (sequence: number, changes: Partial<Heartbeat> = {}): Heartbeat => ({
  sequence,
  profileSequence: sequence,
  incarnation: 1,
  mesh: 'm',
  name: 'board',
  version: '1.2.0',
  state: 'alive',
  startedAtMs: 1,
  macsPerSecond: 1e9,
  memoryBudgetBytes: 1e9,
  queueDepth: 0,
  activeRequests: 0,
  models: [],
  cpuPercent: 0,
  memoryBytes: 0,
  ...changes,
});

const begin = (): MembershipState => beginMembership(settings, self, firstHeartbeat(heartbeat(0)), 0);

const from = (peer: PeerId, message: HealthMessage): MembershipEvent => ({ kind: 'message', peer, message });
const saying = (changes: Partial<Beat>): Beat => ({
  kind: 'beat',
  isWatching: true,
  sentMs: 0,
  echo: null,
  told: [],
  suspicions: [],
  ...changes,
});
const beatOf = (peer: PeerId, said: Heartbeat): MembershipEvent =>
  from(peer, saying({ told: [{ kind: 'heartbeat', peer, heartbeat: said }] }));

const connected: MembershipEvent = { kind: 'connected', peer: a };
const disconnected: MembershipEvent = { kind: 'disconnected', peer: a };
const goodbye = from(a, { kind: 'goodbye', reason: 'stopped' });
const tick: MembershipEvent = { kind: 'tick' };
const beat = (sequence: number, changes: Partial<Heartbeat> = {}): MembershipEvent =>
  beatOf(a, heartbeat(sequence, changes));
const doubted: MembershipEvent = { kind: 'doubt', peer: a };
const silentBeat = from(a, saying({}));
const violation = (penalty: number): MembershipEvent => ({ kind: 'violation', peer: a, penalty, detail: 'bad frame' });

/** `up a`, `lost a disconnected`, `down a failed`, `beat to a,b`, `suspicion of a to b` ... */
const show = (effect: MembershipEffect): string => {
  switch (effect.kind) {
    case 'lost':
      return `lost ${effect.peer} ${effect.cause}`;
    case 'down':
      return `down ${effect.peer} ${effect.reason}`;
    case 'avoid':
      return `avoid ${effect.peer} ${effect.forMs}`;
    case 'send': {
      const { message, to } = effect;
      const suspected = message.kind === 'beat' ? message.suspicions.map(({ peer }) => peer) : [];
      const what = suspected.length === 0 ? message.kind : `suspicion of ${suspected.join(',')}`;
      return `${what} to ${to.join(',')}`;
    }
    case 'up':
    case 'disconnect':
    case 'redial':
      return `${effect.kind} ${effect.peer}`;
  }
};

type Script = readonly (readonly [atMs: number, event: MembershipEvent, ...effects: string[]])[];

/** What ticks send whatever happens. */
const isRoutine = (effect: MembershipEffect): boolean =>
  effect.kind === 'send' &&
  (effect.message.kind === 'digest' || (effect.message.kind === 'beat' && effect.message.isWatching));

/** The script, its own events in order and ticks every 250 ms between them; beats and digests of ticks are left out. */
function play(script: Script): MembershipState {
  let state = begin();
  let tickMs = 250;
  const run = (event: MembershipEvent, atMs: number): readonly string[] => {
    const [next, effects] = stepMembership(state, event, atMs);
    state = next;
    return effects.filter((effect) => event.kind !== 'tick' || !isRoutine(effect)).map(show);
  };
  for (const [atMs, event, ...expected] of script) {
    for (; tickMs < atMs; tickMs += 250) assert.deepEqual(run(tick, tickMs), [], `tick at ${tickMs} ms`);
    assert.deepEqual(run(event, atMs), expected, `${event.kind} at ${atMs} ms`);
    if (event.kind === 'tick') tickMs = Math.max(tickMs, atMs + 250);
  }
  return state;
}

const up: Script = [
  [0, connected, 'beat to a'],
  [10, beat(1), 'up a', 'probe to a'],
];

const CASES: readonly { readonly name: string; readonly script: Script; readonly state: string }[] = [
  { name: 'is alive once it is connected and was heard', script: up, state: 'alive' },
  {
    name: 'is joining until it says it is ready',
    script: [
      [0, connected, 'beat to a'],
      [10, beat(1, { state: 'joining' }), 'probe to a'],
    ],
    state: 'joining',
  },
  { name: 'stays listed while it drains', script: [...up, [500, beat(2, { state: 'draining' })]], state: 'draining' },
  {
    name: 'is lost the moment its last connection closes, and dialled',
    script: [...up, [500, disconnected, 'lost a disconnected', 'redial a']],
    state: 'suspect',
  },
  {
    name: 'fails when it does not reconnect',
    script: [...up, [500, disconnected, 'lost a disconnected', 'redial a'], [1_500, tick, 'down a failed']],
    state: 'failed',
  },
  {
    name: 'is up again when it reconnects and says who it is',
    script: [
      ...up,
      [500, disconnected, 'lost a disconnected', 'redial a'],
      [700, connected, 'beat to a'],
      [705, silentBeat],
      [710, beat(2), 'up a', 'probe to a'],
      [1_500, tick],
    ],
    state: 'alive',
  },
  {
    name: 'fails when it reconnects and says nothing',
    script: [
      ...up,
      [500, disconnected, 'lost a disconnected', 'redial a'],
      [700, connected, 'beat to a'],
      [4_750, tick, 'down a failed', 'disconnect a', 'redial a'],
    ],
    state: 'failed',
  },
  {
    name: 'is probed, then lost, then fails when it freezes',
    script: [
      ...up,
      [1_500, tick, 'probe to a'],
      [2_250, tick, 'lost a silent', 'suspicion of a to a'],
      [4_250, tick, 'down a failed', 'disconnect a', 'redial a'],
    ],
    state: 'failed',
  },
  {
    name: 'is probed at once and lost half a second later when it is doubted and frozen',
    script: [
      ...up,
      [600, doubted, 'probe to a'],
      [900, doubted],
      [1_250, tick, 'lost a silent', 'suspicion of a to a'],
      [4_000, tick],
      [4_250, tick, 'down a failed', 'disconnect a', 'redial a'],
    ],
    state: 'failed',
  },
  {
    name: 'is alive at once when it is doubted and answers, whatever it answers with',
    script: [
      ...up,
      [600, doubted, 'probe to a'],
      [640, { kind: 'heard', peer: a }],
      [1_250, tick],
      [1_300, doubted, 'probe to a'],
      [1_310, from(a, { kind: 'ack', nonce: 1, about: null, sentMs: 1_300 })],
      [2_000, tick],
    ],
    state: 'alive',
  },
  {
    name: 'is given more time to answer a doubt where its beats come irregularly',
    script: [
      ...up,
      [1_400, silentBeat],
      [1_700, silentBeat],
      [1_800, doubted, 'probe to a'],
      [3_000, tick],
      [3_250, tick, 'lost a silent', 'suspicion of a to a'],
    ],
    state: 'suspect',
  },
  {
    name: 'is not asked to hurry within four times what it takes to answer, where that is long',
    script: [
      ...up,
      [210, from(a, { kind: 'ack', nonce: 0, about: null, sentMs: 10 })],
      [1_000, doubted],
      [1_020, doubted, 'probe to a'],
    ],
    state: 'alive',
  },
  {
    name: 'is up again when it was doubted, suspected, and answers late',
    script: [
      ...up,
      [600, doubted, 'probe to a'],
      [1_250, tick, 'lost a silent', 'suspicion of a to a'],
      [1_300, from(a, { kind: 'ack', nonce: 1, about: null, sentMs: 600 }), 'up a'],
    ],
    state: 'alive',
  },
  {
    name: 'recovers when it is heard before it failed',
    script: [
      ...up,
      [1_500, tick, 'probe to a'],
      [2_250, tick, 'lost a silent', 'suspicion of a to a'],
      [3_000, silentBeat, 'up a'],
    ],
    state: 'alive',
  },
  {
    name: 'is not lost while it is heard in other protocols',
    script: [
      ...up,
      [1_000, tick],
      [1_400, { kind: 'heard', peer: a }],
      [2_000, tick],
      [2_600, { kind: 'heard', peer: a }],
      [4_000, tick, 'probe to a'],
      [4_750, tick, 'lost a silent', 'suspicion of a to a'],
      [4_900, { kind: 'heard', peer: a }, 'up a'],
    ],
    state: 'alive',
  },
  {
    name: 'comes back after it failed',
    script: [
      ...up,
      [500, disconnected, 'lost a disconnected', 'redial a'],
      [1_500, tick, 'down a failed'],
      [9_000, connected, 'beat to a'],
      [9_001, beat(3), 'up a', 'probe to a'],
    ],
    state: 'alive',
  },
  {
    name: 'leaves with a goodbye and is not dialled',
    script: [...up, [500, goodbye, 'down a left'], [510, disconnected], [5_000, tick]],
    state: 'left',
  },
  {
    name: 'is not brought back by what arrives after its goodbye',
    script: [...up, [500, goodbye, 'down a left'], [510, beat(2)]],
    state: 'left',
  },
  {
    name: 'is not changed by what it said before',
    script: [...up, [400, beat(3, { state: 'draining' })], [500, beat(2)]],
    state: 'draining',
  },
  {
    name: 'is lost and up when it restarted',
    script: [...up, [500, beat(1, { startedAtMs: 2 }), 'lost a restarted', 'up a']],
    state: 'alive',
  },
  {
    name: 'is not listed when it belongs to another mesh',
    script: [
      [0, connected, 'beat to a'],
      [10, beat(1, { mesh: 'x' }), 'avoid a 60000'],
      [1_250, tick, 'disconnect a'],
      [1_300, connected, 'beat to a'],
      [2_500, tick, 'disconnect a'],
    ],
    state: 'incompatible',
  },
  {
    name: 'is not listed when its version is incompatible',
    script: [
      [0, connected, 'beat to a'],
      [10, beat(1, { version: '2.0.0' }), 'avoid a 60000'],
    ],
    state: 'incompatible',
  },
  {
    name: 'may try again a minute after it was incompatible',
    script: [
      [0, connected, 'beat to a'],
      [10, beat(1, { mesh: 'x' }), 'avoid a 60000'],
      [20, disconnected],
      [60_010, connected, 'beat to a'],
      [60_020, beat(2), 'up a', 'probe to a'],
    ],
    state: 'alive',
  },
  {
    name: 'fails when it never introduces itself',
    script: [
      [0, connected, 'beat to a'],
      [9_000, silentBeat],
      [10_000, tick, 'disconnect a', 'redial a'],
    ],
    state: 'failed',
  },
  {
    name: 'is dialled when the connection closes before it introduced itself',
    script: [
      [0, connected, 'beat to a'],
      [10, disconnected, 'redial a'],
    ],
    state: 'failed',
  },
  {
    name: 'is banned when its penalties add up',
    script: [
      ...up,
      [20, violation(60)],
      [30, violation(60), 'down a banned', 'avoid a 600000', 'disconnect a'],
      [40, connected, 'disconnect a'],
    ],
    state: 'banned',
  },
  {
    name: 'is forgiven with time',
    script: [
      [0, connected, 'beat to a'],
      [10, violation(60)],
      [20, beat(1, { state: 'joining' }), 'probe to a'],
      [1_400, beat(2, { state: 'joining' })],
      [2_600, violation(30)],
    ],
    state: 'joining',
  },
];

describe('core/membership', () => {
  for (const { name, script, state } of CASES) {
    it(`a member ${name}`, () => {
      assert.equal(play(script).members.get(a)?.state, state);
    });
  }

  it('sends a beat every second to its neighbours', () => {
    let state = play(up);
    const sentAtMs: number[] = [];
    for (let nowMs = 250; nowMs <= 4_000; nowMs += 250) {
      let effects: readonly MembershipEffect[];
      [state] = stepMembership(state, silentBeat, nowMs);
      [state, effects] = stepMembership(state, tick, nowMs);
      if (effects.map(show).includes('beat to a')) sentAtMs.push(nowMs);
    }
    assert.deepEqual(sentAtMs, [250, 1_000, 2_000, 3_000, 4_000]);
  });

  it('tells everybody at once when its own state changes, and its neighbours the rest with the next beat', () => {
    const local = (changes: HeartbeatChanges): MembershipEvent => ({ kind: 'local', changes });
    const [drained, effects] = stepMembership(play(up), local({ state: 'draining' }), 20);
    assert.deepEqual(effects.map(show), ['beat to a']);
    assert.equal(drained.local.state, 'draining');
    const [busy, silence] = stepMembership(drained, local({ activeRequests: 1 }), 30);
    assert.deepEqual(silence, []);
    assert.equal(stepMembership(busy, local({ activeRequests: 1, cpuPercent: 1 }), 40)[0], busy);
  });

  it('does not take a pause of its own for silence of others', () => {
    const [state, effects] = stepMembership(play(up), tick, 30_000);
    assert.equal(state.members.get(a)?.state, 'alive');
    assert.deepEqual(new Set(effects.map(show)), new Set(['beat to a', 'digest to a']));
  });

  it('forgets who has been gone for long, and makes room for newcomers', () => {
    let state = begin();
    const peers = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(asPeerId);
    for (const [index, peer] of peers.slice(0, 4).entries()) {
      [state] = stepMembership(state, { kind: 'connected', peer }, index);
      if (index < 2) [state] = stepMembership(state, { kind: 'disconnected', peer }, 10 + index);
    }
    for (const peer of peers.slice(4, 6)) [state] = stepMembership(state, { kind: 'connected', peer }, 20);
    assert.deepEqual([...state.members.keys()], ['c', 'd', 'e', 'f']);
    const [, refused] = stepMembership(state, { kind: 'connected', peer: peers[6]! }, 30);
    assert.deepEqual(refused.map(show), ['disconnect g']);
  });

  it('drops a member that is gone after ten minutes', () => {
    let state = play([...up, [500, goodbye, 'down a left'], [510, disconnected]]);
    for (let nowMs = 1_000; nowMs <= 601_000; nowMs += 1_000) [state] = stepMembership(state, tick, nowMs);
    assert.equal(state.members.size, 0);
  });

  const peer = fc.constantFrom(a, b);
  const anyHeartbeat = fc
    .record({
      sequence: fc.nat(40),
      incarnation: fc.nat(3),
      startedAtMs: fc.constantFrom(1, 2),
      mesh: fc.constantFrom('m', 'm', 'm', 'x'),
      state: fc.constantFrom('joining' as const, 'alive' as const, 'alive' as const, 'draining' as const),
    })
    .map(({ sequence, ...changes }) => heartbeat(sequence, changes));
  const anybody = fc.constantFrom(a, b, self, asPeerId('stranger'));
  const suspicion = fc.record({ peer: anybody, startedAtMs: fc.constantFrom(1, 2), incarnation: fc.nat(3) });
  const nonce = fc.nat(20);
  const anyMessage: fc.Arbitrary<HealthMessage> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(peer, anyHeartbeat, fc.array(suspicion, { maxLength: 2 }))
        .map(([who, said, suspicions]) =>
          saying({ told: [{ kind: 'heartbeat', peer: who, heartbeat: said }], suspicions }),
        ),
    },
    fc.constant<HealthMessage>({ kind: 'goodbye', reason: '' }),
    fc.record({ kind: fc.constant('probe' as const), nonce, sentMs: fc.nat() }),
    fc.record({ kind: fc.constant('ack' as const), nonce, about: fc.option(anybody), sentMs: fc.nat() }),
    fc
      .tuple(suspicion, nonce, fc.boolean())
      .map(([about, number, isUrgent]): HealthMessage => ({ kind: 'ask', nonce: number, isUrgent, ...about })),
    fc.record({
      kind: fc.constant('digest' as const),
      sentMs: fc.nat(),
      isReply: fc.boolean(),
      entries: fc.array(fc.record({ peer: anybody, startedAtMs: fc.constantFrom(1, 2), sequence: fc.nat(40) }), {
        maxLength: 3,
      }),
    }),
  );
  const anyEvent: fc.Arbitrary<MembershipEvent> = fc.oneof(
    fc.record({
      kind: fc.constantFrom('connected' as const, 'disconnected' as const, 'heard' as const, 'doubt' as const),
      peer,
    }),
    fc.record({ kind: fc.constant('message' as const), peer, message: anyMessage }),
    fc.record({ kind: fc.constant('violation' as const), peer, penalty: fc.nat(80), detail: fc.constant('') }),
    fc.constantFrom<MembershipEvent>(tick, tick, { kind: 'local', changes: { state: 'draining' } }),
  );
  const history = fc.array(fc.tuple(fc.nat(2_000), anyEvent), { maxLength: 80 });

  it('tells of every peer: up (lost up)* [lost] down, whatever happens, and in step with the list', () => {
    fc.assert(
      fc.property(history, (events) => {
        let state = begin();
        let nowMs = 0;
        const told = new Map<PeerId, string>();
        for (const [pauseMs, event] of events) {
          nowMs += pauseMs;
          let effects: readonly MembershipEffect[];
          [state, effects] = stepMembership(state, event, nowMs);
          for (const effect of effects) {
            if (effect.kind !== 'up' && effect.kind !== 'lost' && effect.kind !== 'down') continue;
            const before = told.get(effect.peer) ?? 'down';
            const allowed = { up: ['down', 'lost'], lost: ['up'], down: ['up', 'lost'] }[effect.kind];
            assert.ok(allowed.includes(before), `${effect.kind} after ${before}`);
            told.set(effect.peer, effect.kind);
          }
          for (const member of state.members.values()) {
            const usable = member.state === 'alive' || member.state === 'draining';
            const expected = usable ? 'up' : member.state === 'suspect' ? 'lost' : 'down';
            assert.equal(told.get(member.peer) ?? 'down', expected, member.state);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('notes a member heard of a moment ago only now and then, since messages come by the hundred', () => {
    const state = play(up);
    const { heardMs } = state.members.get(a)!;
    const heard: MembershipEvent = { kind: 'heard', peer: a };
    assert.equal(stepMembership(state, heard, heardMs + settings.hearAgainMs - 1)[0], state);
    const [later] = stepMembership(state, heard, heardMs + settings.hearAgainMs);
    assert.equal(later.members.get(a)!.heardMs, heardMs + settings.hearAgainMs);
  });

  it('never fails nor suspects a connected member that is heard at least every 1.4 s', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_400 }), { maxLength: 60 }), (pauses) => {
        let state = play(up);
        let nowMs = 10;
        for (const [index, pauseMs] of pauses.entries()) {
          for (const dueMs = nowMs + pauseMs; nowMs < dueMs; nowMs = Math.min(dueMs, nowMs + 250)) {
            [state] = stepMembership(state, tick, nowMs);
            assert.equal(state.members.get(a)?.state, 'alive');
          }
          [state] = stepMembership(state, beat(index + 2), nowMs);
        }
      }),
    );
  });

  it('gives up every member that falls silent, within 11 s', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 50, max: 3_000 }), (events, tickMs) => {
        let state = begin();
        let nowMs = 0;
        for (const [pauseMs, event] of events) {
          nowMs += pauseMs;
          [state] = stepMembership(state, event, nowMs);
        }
        // A tick counts for at most `maxTickMs` of silence, so slow ticks take longer.
        const ticks = Math.ceil(11_000 / Math.min(tickMs, settings.maxTickMs)) + 1;
        for (let n = 0; n < ticks; n++) [state] = stepMembership(state, tick, (nowMs += tickMs));
        for (const member of state.members.values()) {
          assert.ok(!['joining', 'alive', 'draining', 'suspect'].includes(member.state), member.state);
        }
      }),
    );
  });
});
