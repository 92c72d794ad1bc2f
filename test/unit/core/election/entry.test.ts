import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  beginEntry,
  demote,
  nextTickMs,
  stepEntry,
  type EntryEffect,
  type EntryEvent,
  type EntryState,
  type Failure,
} from '../../../../src/core/election/entry.ts';
import { asPeerId, type RequestId } from '../../../../src/core/ids.ts';

type Event = EntryEvent<string>;
type Effect = EntryEffect<string>;

const requestId = '0123456789abcdef0123456789abcdef' as RequestId;
const settings = {
  proposalTimeoutMs: 100,
  unansweredMs: Infinity,
  proposalDoubtMs: Infinity,
  leaseDoubtMs: Infinity,
  doubtAgainMs: 50,
  backoffMs: 50,
  maxBackoffMs: 200,
  maxFailures: 3,
  maxLeaseMs: 300,
  termShare: 1,
};
const a = asPeerId('a');
const b = asPeerId('b');
const c = asPeerId('c');
const overloaded: Failure = { code: 'OVERLOADED', message: 'queue full' };
const diskFull = { code: 'STORAGE_FAILED', message: 'disk full' } as const;
const invalid: Failure = { code: 'INVALID_INPUT', message: 'wrong shape' };

/** `propose b 2`, `cancel a 1`, `deliver a 1 cat`, `giveUp CANCELLED`. */
const show = (effect: Effect): string => {
  switch (effect.kind) {
    case 'propose':
      return `propose ${effect.peer} ${effect.term}`;
    case 'doubt':
      return `doubt ${effect.peer}`;
    case 'sendCancel':
      return `cancel ${effect.peer} ${effect.term}`;
    case 'deliver':
      return `deliver ${effect.peer} ${effect.term} ${effect.result}`;
    case 'giveUp':
      return `giveUp ${effect.failure.code}`;
  }
};

const accepted = (peer = a, term = 1): Event => ({ kind: 'accepted', peer, term, leaseMs: 300 });
const declined = (peer = a, term = 1, failure = overloaded): Event => ({ kind: 'declined', peer, term, failure });
const failed = (peer = a, term = 1, failure = overloaded): Event => ({ kind: 'failed', peer, term, failure });
const completed = (peer = a, term = 1): Event => ({ kind: 'completed', peer, term, result: 'cat' });
const renewed = (peer = a, term = 1): Event => ({ kind: 'renewed', peer, term });
const lost = (peer = a): Event => ({ kind: 'peerLost', peer });
const tick: Event = { kind: 'tick' };

interface Case {
  readonly name: string;
  readonly candidates?: readonly (typeof a)[];
  readonly proposalDoubtMs?: number;
  readonly leaseDoubtMs?: number;
  readonly script: readonly (readonly [atMs: number, event: Event, ...effects: string[]])[];
}

const CASES: readonly Case[] = [
  {
    name: 'delivers what the coordinator completes',
    script: [
      [1, accepted()],
      [2, completed(), 'deliver a 1 cat'],
    ],
  },
  {
    name: 'delivers once',
    script: [
      [1, accepted()],
      [2, completed(), 'deliver a 1 cat'],
      [3, completed()],
    ],
  },
  { name: 'asks the next when one declines for load', script: [[1, declined(), 'propose b 2']] },
  { name: 'asks the next when the disk of one is full', script: [[1, declined(a, 1, diskFull), 'propose b 2']] },
  {
    name: 'ends on a refusal no other peer would take back',
    script: [[1, declined(a, 1, invalid), 'giveUp INVALID_INPUT']],
  },
  {
    name: 'asks the next when a proposal is not answered',
    script: [
      [99, tick],
      [100, tick, 'cancel a 1', 'propose b 2'],
    ],
  },
  {
    name: 'asks the next at once when the connection drops',
    script: [
      [1, accepted()],
      [2, lost(), 'propose b 2'],
    ],
  },
  {
    name: 'lets a lapsed lease go and tells its holder',
    script: [
      [1, accepted()],
      [301, tick, 'cancel a 1', 'propose b 2'],
    ],
  },
  {
    name: 'keeps a lease that is renewed',
    script: [
      [1, accepted()],
      [300, renewed()],
      [599, tick],
      [600, tick, 'cancel a 1', 'propose b 2'],
    ],
  },
  {
    name: 'asks the next when the coordinator fails',
    script: [
      [1, accepted()],
      [2, failed(), 'propose b 2'],
    ],
  },
  {
    name: 'ends on a failure every peer would have',
    script: [
      [1, accepted()],
      [2, failed(a, 1, invalid), 'giveUp INVALID_INPUT'],
    ],
  },
  {
    name: 'ignores messages of older terms, and has whoever still holds one let go of it',
    script: [
      [1, accepted()],
      [2, lost(), 'propose b 2'],
      [3, completed()],
      [4, failed()],
      [5, accepted(), 'cancel a 1'],
      [6, completed(b, 2), 'deliver b 2 cat'],
    ],
  },
  {
    name: 'ignores a peer that was not asked',
    script: [
      [1, completed(b, 1)],
      [2, declined(c, 1)],
    ],
  },
  {
    name: 'passes over a candidate that was lost before its turn',
    script: [
      [1, lost(b)],
      [2, declined(), 'propose c 2'],
    ],
  },
  {
    name: 'asks those that declined for load again, after a growing pause',
    candidates: [a],
    script: [
      [1, declined()],
      [50, tick],
      [51, tick, 'propose a 2'],
      [52, declined(a, 2)],
      [151, tick],
      [152, tick, 'propose a 3'],
      [153, accepted(a, 3)],
    ],
  },
  {
    name: 'says overloaded, not late, when all were too busy until the deadline',
    candidates: [a],
    script: [
      [1, declined()],
      [1000, tick, 'giveUp OVERLOADED'],
    ],
  },
  {
    name: 'ends at the deadline and tells the coordinator',
    script: [
      [1, accepted()],
      [1000, tick, 'cancel a 1', 'giveUp DEADLINE_EXCEEDED'],
    ],
  },
  {
    name: 'ends on cancellation and tells the coordinator',
    script: [
      [1, accepted()],
      [2, { kind: 'cancelled' }, 'cancel a 1', 'giveUp CANCELLED'],
      [3, tick],
    ],
  },
  { name: 'gives up when the last candidate is lost', candidates: [a], script: [[1, lost(), 'giveUp PEER_LOST']] },
  {
    name: 'gives up when the last busy candidate is lost',
    candidates: [a],
    script: [
      [1, declined()],
      [2, lost(), 'giveUp OVERLOADED'],
    ],
  },
  {
    name: 'asks a peer that joins while all others are busy',
    candidates: [a],
    script: [
      [1, declined()],
      [2, { kind: 'peerFound', peer: c }, 'propose c 2'],
    ],
  },
  {
    name: 'asks a peer that joins after the others',
    script: [
      [1, { kind: 'peerFound', peer: a }],
      [2, lost(b)],
      [3, declined(), 'propose c 2'],
    ],
  },
  {
    name: 'doubts a candidate that does not answer, again and again',
    proposalDoubtMs: 20,
    script: [
      [19, tick],
      [20, tick, 'doubt a'],
      [69, tick],
      [70, tick, 'doubt a'],
      [100, tick, 'cancel a 1', 'propose b 2'],
      [120, tick, 'doubt b'],
    ],
  },
  {
    name: 'doubts a coordinator that does not renew its lease in time',
    leaseDoubtMs: 120,
    script: [
      [1, accepted()],
      [100, renewed()],
      [219, tick],
      [220, tick, 'doubt a'],
      [240, renewed()],
      [359, tick],
      [360, tick, 'doubt a'],
      [361, lost(), 'propose b 2'],
    ],
  },
  {
    name: 'stops after too many failures',
    script: [
      [1, failed(), 'propose b 2'],
      [2, failed(b, 2), 'propose c 3'],
      [3, failed(c, 3), 'giveUp OVERLOADED'],
    ],
  },
];

describe('core/election/entry', () => {
  for (const { name, candidates = [a, b, c], script, ...doubts } of CASES) {
    it(name, () => {
      let [state, effects] = beginEntry<string>(requestId, candidates, 1000, 0, { ...settings, ...doubts });
      assert.deepEqual(effects.map(show), ['propose a 1']);
      for (const [atMs, event, ...expected] of script) {
        [state, effects] = stepEntry(state, event, atMs);
        assert.deepEqual(effects.map(show), expected, `at ${atMs} ms after ${event.kind}`);
      }
    });
  }

  it('gives up at once without candidates', () => {
    const [state, effects] = beginEntry<string>(requestId, [], 1000, 0, settings);
    assert.deepEqual(effects.map(show), ['giveUp UNAVAILABLE']);
    assert.equal(nextTickMs(state), Infinity);
  });

  describe('a candidate that does not answer', () => {
    const propose = (...candidates: readonly (typeof a)[]): EntryState =>
      beginEntry<string>(requestId, candidates, 1e6, 0, {
        ...settings,
        proposalTimeoutMs: 10_000,
        unansweredMs: 40,
      })[0];
    const ask = (state: EntryState, nowMs: number, said = {}): readonly [EntryState, readonly string[]] => {
      const [next, effects] = stepEntry<string>(state, { kind: 'tick', ...said }, nowMs);
      return [next, effects.map(show)];
    };

    it('is given up for another one, later where answers usually take long, and twice as late each time', () => {
      let state = propose(a, b, c);
      let effects: readonly string[];
      assert.deepEqual(ask(state, 39)[1], []);
      assert.deepEqual(ask(state, 40, { usualMs: 30 })[1], []);
      [state, effects] = ask(state, 70, { usualMs: 30 });
      assert.deepEqual(effects, ['cancel a 1', 'propose b 2']);
      assert.deepEqual(ask(state, 149)[1], []);
      [state, effects] = ask(state, 150);
      assert.deepEqual(effects, ['cancel b 2', 'propose c 3']);
      assert.deepEqual(ask(state, 10_149)[1], []);
    });

    it('is given up at once where it gives no sign of life, unless there is nobody who does', () => {
      assert.deepEqual(ask(propose(a, b), 1, { doubtful: [a] })[1], ['cancel a 1', 'propose b 2']);
      assert.deepEqual(ask(propose(a, b), 1, { doubtful: [a, b] })[1], []);
      assert.deepEqual(ask(propose(a), 1, { doubtful: [a] })[1], []);
    });

    it('keeps the request once it has taken it on', () => {
      const [running] = stepEntry<string>(propose(a, b), accepted(), 1);
      assert.deepEqual(ask(running, 200, { doubtful: [a] })[1], []);
    });
  });

  it('asks those in doubt after all others', () => {
    const [first] = beginEntry<string>(requestId, [a, b, c], 1000, 0, settings);
    const [second, effects] = stepEntry(demote(first, [b]), declined(), 1);
    assert.deepEqual(effects.map(show), ['propose c 2']);
    const [, later] = stepEntry(demote(second, [b]), declined(c, 2), 2);
    assert.deepEqual(later.map(show), ['propose b 3']);
  });

  it('tells the candidate how much time remains', () => {
    const [, effects] = beginEntry<string>(requestId, [a], 1000, 400, settings);
    assert.deepEqual(effects, [{ kind: 'propose', peer: a, term: 1, remainingMs: 600 }]);
  });

  it('gives one coordinator a share of the time, however often it renews, and all of it where there is no other', () => {
    for (const [candidates, endMs] of [
      [[a, b], 750],
      [[a], 1000],
    ] as const) {
      let [state] = beginEntry<string>(requestId, candidates, 1000, 0, { ...settings, termShare: 0.75 });
      [state] = stepEntry<string>(state, accepted(), 0);
      for (let nowMs = 100; nowMs < endMs; nowMs += 50) {
        const [next, effects] = stepEntry<string>(state, { kind: 'renewed', peer: a, term: 1 }, nowMs);
        assert.deepEqual(effects, []);
        state = next;
      }
      assert.equal(nextTickMs(state), endMs);
      assert.equal(stepEntry<string>(state, tick, endMs)[1].map(show)[0], 'cancel a 1');
    }
  });

  it('waits no longer than it wants to, whatever lease is asked for', () => {
    let [state] = beginEntry<string>(requestId, [a, b], 1000, 0, settings);
    [state] = stepEntry<string>(state, { kind: 'accepted', peer: a, term: 1, leaseMs: 1e9 }, 0);
    assert.equal(nextTickMs(state), settings.maxLeaseMs);
  });

  const peer = fc.constantFrom(a, b, c);
  const term = fc.integer({ min: 1, max: 6 });
  const failure = fc.constantFrom(overloaded, invalid, { code: 'PEER_LOST', message: 'participant lost' } as const);
  const anyEvent: fc.Arbitrary<Event> = fc.oneof(
    fc.record({ kind: fc.constant('accepted' as const), peer, term, leaseMs: fc.integer({ min: 1, max: 500 }) }),
    fc.record({ kind: fc.constantFrom('declined' as const, 'failed' as const), peer, term, failure }),
    fc.record({ kind: fc.constant('renewed' as const), peer, term }),
    fc.record({ kind: fc.constant('completed' as const), peer, term, result: fc.constant('cat') }),
    fc.record({ kind: fc.constantFrom('peerLost' as const, 'peerFound' as const), peer }),
    fc.constantFrom<Event>(tick, { kind: 'cancelled' }),
  );
  const history = fc.array(fc.tuple(fc.integer({ min: 0, max: 120 }), anyEvent), { maxLength: 60 });

  /** Runs a history and then the clock alone; returns everything that was done. */
  function play(events: readonly (readonly [number, Event])[]): {
    readonly state: EntryState;
    readonly effects: Effect[];
  } {
    let nowMs = 0;
    let [state, done] = beginEntry<string>(requestId, [a, b, c], 1000, 0, settings);
    const effects = [...done];
    for (const [pauseMs, event] of events) {
      nowMs += pauseMs;
      [state, done] = stepEntry(state, event, nowMs);
      effects.push(...done);
    }
    for (let due = nextTickMs(state); due !== Infinity; due = nextTickMs(state)) {
      nowMs = Math.max(nowMs, due);
      [state, done] = stepEntry<string>(state, tick, nowMs);
      effects.push(...done);
    }
    assert.ok(nowMs <= 1000 + 60 * 120);
    return { state, effects };
  }

  it('ends every history with exactly one answer or error, at the deadline at the latest', () => {
    fc.assert(
      fc.property(history, (events) => {
        const { state, effects } = play(events);
        assert.equal(state.phase.kind, 'ended');
        assert.equal(effects.filter(({ kind }) => kind === 'deliver' || kind === 'giveUp').length, 1);
        assert.ok(['deliver', 'giveUp'].includes(effects.at(-1)!.kind));
      }),
    );
  });

  it('proposes terms 1, 2, 3 ..., delivers none but the live one and cancels none to come', () => {
    fc.assert(
      fc.property(history, (events) => {
        let live = 0;
        for (const effect of play(events).effects) {
          if (effect.kind === 'propose') assert.equal(effect.term, ++live);
          if (effect.kind === 'sendCancel') assert.ok(effect.term <= live);
          if (effect.kind === 'deliver') assert.equal(effect.term, live);
        }
      }),
    );
  });
});
