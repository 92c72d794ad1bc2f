import assert from 'node:assert/strict';
import fc from 'fast-check';
import { asPeerId, type PeerId } from '../../../../src/core/ids.ts';
import type { Heartbeat } from '../../../../src/core/membership/heartbeat.ts';
import { MEMBERSHIP_DEFAULTS } from '../../../../src/core/membership/member.ts';
import {
  beginMembership,
  stepMembership,
  type MembershipEffect,
  type MembershipEvent,
  type MembershipState,
} from '../../../../src/core/membership/membership.ts';

const settings = { ...MEMBERSHIP_DEFAULTS, mesh: 'm', version: '1.2.3', maxMembers: 4 };
const a = asPeerId('a');
const b = asPeerId('b');

const heartbeat = (sequence: number, changes: Partial<Heartbeat> = {}): Heartbeat => ({
  sequence,
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

const connected: MembershipEvent = { kind: 'connected', peer: a };
const disconnected: MembershipEvent = { kind: 'disconnected', peer: a };
const goodbye: MembershipEvent = { kind: 'goodbye', peer: a };
const tick: MembershipEvent = { kind: 'tick' };
const beat = (sequence: number, changes: Partial<Heartbeat> = {}): MembershipEvent => ({
  kind: 'heartbeat',
  peer: a,
  heartbeat: heartbeat(sequence, changes),
});
const violation = (penalty: number): MembershipEvent => ({ kind: 'violation', peer: a, penalty, detail: 'bad frame' });

/** `up a`, `lost a disconnected`, `down a failed`, `send a,b` ... */
const show = (effect: MembershipEffect): string => {
  switch (effect.kind) {
    case 'lost':
      return `lost ${effect.peer} ${effect.cause}`;
    case 'down':
      return `down ${effect.peer} ${effect.reason}`;
    case 'avoid':
      return `avoid ${effect.peer} ${effect.forMs}`;
    case 'sendHeartbeat':
      return `send ${effect.to.join(',')}`;
    case 'up':
    case 'disconnect':
    case 'redial':
      return `${effect.kind} ${effect.peer}`;
  }
};

type Script = readonly (readonly [atMs: number, event: MembershipEvent, ...effects: string[]])[];

/** The script, its own events in order and ticks every 250 ms between them; heartbeats sent by ticks are left out. */
function play(script: Script): MembershipState {
  let state = beginMembership(settings, 0);
  let tickMs = 250;
  const run = (event: MembershipEvent, atMs: number): readonly string[] => {
    const [next, effects] = stepMembership(state, event, atMs);
    state = next;
    return effects.filter(({ kind }) => event.kind !== 'tick' || kind !== 'sendHeartbeat').map(show);
  };
  for (const [atMs, event, ...expected] of script) {
    for (; tickMs < atMs; tickMs += 250) assert.deepEqual(run(tick, tickMs), [], `tick at ${tickMs} ms`);
    assert.deepEqual(run(event, atMs), expected, `${event.kind} at ${atMs} ms`);
    if (event.kind === 'tick') tickMs = Math.max(tickMs, atMs + 250);
  }
  return state;
}

const up: Script = [
  [0, connected, 'send a'],
  [10, beat(1), 'up a'],
];

const CASES: readonly { readonly name: string; readonly script: Script; readonly state: string }[] = [
  { name: 'is alive once it is connected and was heard', script: up, state: 'alive' },
  {
    name: 'is joining until it says it is ready',
    script: [
      [0, connected, 'send a'],
      [10, beat(1, { state: 'joining' })],
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
    name: 'is up again when it reconnects and is heard',
    script: [
      ...up,
      [500, disconnected, 'lost a disconnected', 'redial a'],
      [700, connected, 'send a'],
      [710, beat(2), 'up a'],
      [2_000, tick],
    ],
    state: 'alive',
  },
  {
    name: 'is lost, then fails when it freezes',
    script: [...up, [2_250, tick, 'lost a silent'], [4_250, tick, 'down a failed', 'disconnect a', 'redial a']],
    state: 'failed',
  },
  {
    name: 'recovers when it is heard before it failed',
    script: [...up, [2_250, tick, 'lost a silent'], [3_000, beat(2), 'up a']],
    state: 'alive',
  },
  {
    name: 'is not lost while it is heard in other protocols',
    script: [
      ...up,
      [1_000, tick],
      [1_500, { kind: 'heard', peer: a }],
      [2_000, tick],
      [3_000, tick],
      [3_250, tick],
      [3_500, tick, 'lost a silent'],
    ],
    state: 'suspect',
  },
  {
    name: 'comes back after it failed',
    script: [
      ...up,
      [500, disconnected, 'lost a disconnected', 'redial a'],
      [1_500, tick, 'down a failed'],
      [9_000, connected, 'send a'],
      [9_001, beat(3), 'up a'],
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
    name: 'is not brought back by a repeated heartbeat',
    script: [...up, [2_250, tick, 'lost a silent'], [2_300, beat(1)]],
    state: 'suspect',
  },
  {
    name: 'is lost and up when it restarted',
    script: [...up, [500, beat(1, { startedAtMs: 2 }), 'lost a restarted', 'up a']],
    state: 'alive',
  },
  {
    name: 'is not listed when it belongs to another mesh',
    script: [
      [0, connected, 'send a'],
      [10, beat(1, { mesh: 'x' }), 'avoid a 60000'],
      [1_250, tick, 'disconnect a'],
      [1_300, connected, 'send a'],
      [2_500, tick, 'disconnect a'],
    ],
    state: 'incompatible',
  },
  {
    name: 'is not listed when its version is incompatible',
    script: [
      [0, connected, 'send a'],
      [10, beat(1, { version: '2.0.0' }), 'avoid a 60000'],
    ],
    state: 'incompatible',
  },
  {
    name: 'may try again a minute after it was incompatible',
    script: [
      [0, connected, 'send a'],
      [10, beat(1, { mesh: 'x' }), 'avoid a 60000'],
      [20, disconnected],
      [60_010, connected, 'send a'],
      [60_020, beat(2), 'up a'],
    ],
    state: 'alive',
  },
  {
    name: 'fails when it never introduces itself',
    script: [
      [0, connected, 'send a'],
      [10_000, tick, 'disconnect a', 'redial a'],
    ],
    state: 'failed',
  },
  {
    name: 'is dialled when the connection closes before it introduced itself',
    script: [
      [0, connected, 'send a'],
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
      [0, connected, 'send a'],
      [10, violation(60)],
      [20, beat(1, { state: 'joining' })],
      [2_500, beat(2, { state: 'joining' })],
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

  it('sends a heartbeat every second to everyone connected', () => {
    let [state] = stepMembership(beginMembership(settings, 0), connected, 0);
    const sentAtMs: number[] = [];
    for (let nowMs = 250; nowMs <= 4_000; nowMs += 250) {
      let effects: readonly MembershipEffect[];
      [state, effects] = stepMembership(state, tick, nowMs);
      if (effects.map(show).includes('send a')) sentAtMs.push(nowMs);
    }
    assert.deepEqual(sentAtMs, [250, 1_000, 2_000, 3_000, 4_000]);
  });

  it('sends a heartbeat at once when something is announced', () => {
    const [state] = stepMembership(beginMembership(settings, 0), connected, 0);
    assert.deepEqual(stepMembership(state, { kind: 'announce' }, 5)[1].map(show), ['send a']);
  });

  it('does not take a pause of its own for silence of others', () => {
    const [state, effects] = stepMembership(play(up), tick, 30_000);
    assert.equal(state.members.get(a)?.state, 'alive');
    assert.deepEqual(effects.map(show), ['send a']);
  });

  it('forgets who has been gone for long, and makes room for newcomers', () => {
    let state = beginMembership(settings, 0);
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
  const anyEvent: fc.Arbitrary<MembershipEvent> = fc.oneof(
    fc.record({ kind: fc.constantFrom('connected' as const, 'disconnected' as const, 'goodbye' as const), peer }),
    fc.record({
      kind: fc.constant('heartbeat' as const),
      peer,
      heartbeat: fc
        .record({
          sequence: fc.nat(40),
          startedAtMs: fc.constantFrom(1, 2),
          mesh: fc.constantFrom('m', 'm', 'm', 'x'),
          state: fc.constantFrom('joining' as const, 'alive' as const, 'alive' as const, 'draining' as const),
        })
        .map(({ sequence, ...changes }) => heartbeat(sequence, changes)),
    }),
    fc.record({ kind: fc.constant('violation' as const), peer, penalty: fc.nat(80), detail: fc.constant('') }),
    fc.constantFrom<MembershipEvent>(tick, tick, { kind: 'announce' }),
  );
  const history = fc.array(fc.tuple(fc.nat(2_000), anyEvent), { maxLength: 80 });

  it('tells of every peer: up (lost up)* [lost] down, whatever happens, and in step with the list', () => {
    fc.assert(
      fc.property(history, (events) => {
        let state = beginMembership(settings, 0);
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
        let state = beginMembership(settings, 0);
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
