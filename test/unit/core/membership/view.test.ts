import assert from 'node:assert/strict';
import { asPeerId } from '../../../../src/core/ids.ts';
import { incompatibility, type Heartbeat } from '../../../../src/core/membership/heartbeat.ts';
import { MEMBERSHIP_DEFAULTS, type MemberState } from '../../../../src/core/membership/member.ts';
import { beginMembership, stepMembership } from '../../../../src/core/membership/membership.ts';
import { viewOf } from '../../../../src/core/membership/view.ts';

const heartbeat: Heartbeat = {
  sequence: 1,
  profileSequence: 1,
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
};

/** The view of `self` that sees `others`, all alive. */
function view(self: string, others: readonly string[], changes: Partial<Heartbeat> = {}) {
  const local = { ...heartbeat, ...changes };
  const beat = { kind: 'beat', isWatching: true, sentMs: 0, echo: null, suspicions: [] } as const;
  let state = beginMembership({ ...MEMBERSHIP_DEFAULTS, mesh: 'm', version: '1.2.0' }, asPeerId(self), local, 0);
  for (const peer of others.map(asPeerId)) {
    [state] = stepMembership(state, { kind: 'connected', peer }, 0);
    const told = [{ kind: 'heartbeat', peer, heartbeat: local } as const];
    [state] = stepMembership(state, { kind: 'message', peer, message: { ...beat, told } }, 0);
  }
  return viewOf(state.members.values(), { peer: asPeerId(self), heartbeat: local });
}

describe('core/membership/view', () => {
  it('is the same, in the same order, for peers that see each other', () => {
    assert.deepEqual(view('b', ['c', 'a']), view('a', ['b', 'c']));
    assert.deepEqual(
      view('b', ['c', 'a']).members.map(({ peer }) => peer),
      ['a', 'b', 'c'],
    );
  });

  it('changes its hash with who is there and how fast, not with how busy they are', () => {
    const { hash } = view('a', ['b']);
    assert.match(hash, /^[0-9a-f]{16}$/);
    assert.notEqual(view('a', []).hash, hash);
    assert.notEqual(view('a', ['b'], { macsPerSecond: 2e9 }).hash, hash);
    assert.equal(view('a', ['b'], { queueDepth: 5, sequence: 9 }).hash, hash);
  });

  it('leaves out who is not ready, this peer included', () => {
    assert.deepEqual(view('a', ['b'], { state: 'draining' satisfies MemberState }).members, []);
  });
});

describe('core/membership/heartbeat', () => {
  for (const [ours, theirs, isCompatible] of [
    ['1.2.3', '1.9.0', true],
    ['1.2.3', '2.0.0', false],
    ['0.1.0', '0.1.7', true],
    ['0.1.0', '0.2.0', true],
    ['0.1.0', '1.1.0', false],
    ['nightly', 'nightly', true],
    ['nightly', '1.0.0', false],
  ] as const) {
    it(`${isCompatible ? 'lets' : 'does not let'} ${ours} work with ${theirs}`, () => {
      const reason = incompatibility({ mesh: 'm', version: ours }, { mesh: 'm', version: theirs });
      assert.equal(reason === null, isCompatible);
    });
  }
});
