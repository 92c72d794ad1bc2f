import assert from 'node:assert/strict';
import { asPeerId, type ModelId, type PeerId } from '../../../../src/core/ids.ts';
import {
  beginCourse,
  completedTiles,
  holdingUp,
  nextTickMs,
  PREPARE_SILENCE_MS,
  RUN_SILENCE_MS,
  STANDSTILL_MS,
  stepCourse,
  type Course,
  type CourseEvent,
  type Turn,
} from '../../../../src/core/plan/course.ts';
import { PLAN_SCHEMA, type Plan } from '../../../../src/core/plan/plan.ts';

const A = asPeerId('a');
const B = asPeerId('b');
const C = asPeerId('c');
const ENTRY = asPeerId('entry');

/** Two blocks over three peers. `a` coordinates. */
const PLAN: Plan = {
  schema: PLAN_SCHEMA,
  modelId: '0'.repeat(64) as ModelId,
  inputs: {},
  arithmetic: 'exact',
  participants: [A, B, C],
  blocks: [0, 1].map((block) => ({
    first: block,
    last: block,
    cut: { axes: [2], counts: [3] },
    parts: [0, 1, 2].map((participant) => ({ participant, outputs: {}, predictedMs: 1 })),
  })),
  predictedMs: 2,
  singleMs: 3,
};

const tiles = (...places: readonly (readonly [block: number, part: number])[]) =>
  places.map(([block, part]) => ({ block, part }));

describe('core/plan/course', () => {
  let course: Course;
  let nowMs: number;

  function begin(isAwaited: boolean): void {
    nowMs = 1_000;
    course = beginCourse(PLAN, A, ENTRY, isAwaited, nowMs);
  }

  function hear(...events: readonly CourseEvent[]): Turn | undefined {
    let turn: Turn | undefined;
    for (const event of events) {
      assert.equal(turn, undefined, 'only the last event is to have a consequence');
      [course, turn] = stepCourse(course, event, nowMs);
    }
    return turn;
  }

  const ready = (peer: PeerId): CourseEvent => ({ kind: 'ready', peer });
  const finished = (peer: PeerId): CourseEvent => ({ kind: 'finished', peer });
  const replanWithout =
    (...without: readonly PeerId[]) =>
    (turn: Turn | undefined) =>
      assert.deepEqual(turn?.kind === 'replan' ? turn.without : turn, without);

  it('does not take for progress that one waits', () => {
    begin(true);
    assert.deepEqual(hear({ kind: 'assigned' }, ready(A), ready(B), ready(C)), { kind: 'feed' });
    hear({ kind: 'fed' });
    const dueMs = nextTickMs(course);
    nowMs = dueMs - 1;
    hear(ready(B));
    assert.equal(nextTickMs(course), dueMs);
  });

  it('holds the inputs back until all are ready, where it waits', () => {
    begin(true);
    assert.equal(hear({ kind: 'assigned' }, ready(A), ready(C)), undefined);
    assert.equal(hear(ready(B))?.kind, 'feed');
  });

  it('has the inputs handed out once the plan is on its way, where it does not wait', () => {
    begin(false);
    assert.equal(hear({ kind: 'assigned' })?.kind, 'feed');
  });

  it('is done when the entry has handed out all and everybody has finished, in whatever order', () => {
    const ends: readonly CourseEvent[] = [{ kind: 'fed' }, finished(A), finished(B), finished(C)];
    for (let first = 0; first < ends.length; first++) {
      begin(false);
      hear({ kind: 'assigned' });
      assert.equal(hear(...ends.slice(first), ...ends.slice(0, first))?.kind, 'done');
    }
  });

  it('is done at once where there is nothing to compute', () => {
    nowMs = 0;
    course = beginCourse({ ...PLAN, participants: [], blocks: [] }, A, ENTRY, true, nowMs);
    assert.equal(hear({ kind: 'assigned' })?.kind, 'feed');
    assert.equal(hear({ kind: 'fed' })?.kind, 'done');
  });

  it('counts each tile once, and only for the peer whose it is', () => {
    begin(false);
    hear({ kind: 'assigned' });
    hear({ kind: 'progress', peer: B, tiles: tiles([0, 1], [0, 1], [0, 2], [7, 1], [1, 9]) });
    hear({ kind: 'progress', peer: B, tiles: tiles([0, 1]) });
    assert.equal(completedTiles(course), 1);
    hear(finished(B));
    assert.equal(completedTiles(course), 2);
  });

  describe('who is blamed', () => {
    const running = (): void => {
      begin(false);
      hear({ kind: 'assigned' });
      hear({ kind: 'fed' });
    };

    it('for silence: those who owe a tile of the earliest unfinished block', () => {
      running();
      hear({ kind: 'progress', peer: A, tiles: tiles([0, 0]) }, { kind: 'progress', peer: C, tiles: tiles([0, 2]) });
      assert.deepEqual(holdingUp(course), [B]);
      assert.equal(nextTickMs(course), nowMs + RUN_SILENCE_MS);
      nowMs += RUN_SILENCE_MS - 1;
      assert.equal(hear({ kind: 'tick' }), undefined);
      nowMs += 1;
      replanWithout(B)(hear({ kind: 'tick' }));
    });

    it('for silence later, where the plan takes long', () => {
      course = beginCourse({ ...PLAN, predictedMs: 2_000 }, A, ENTRY, false, nowMs);
      hear({ kind: 'assigned' });
      hear({ kind: 'fed' });
      assert.equal(nextTickMs(course), nowMs + 6_000);
      course = beginCourse({ ...PLAN, predictedMs: 1e6 }, A, ENTRY, false, nowMs);
      hear({ kind: 'assigned' });
      hear({ kind: 'fed' });
      assert.equal(nextTickMs(course), nowMs + PREPARE_SILENCE_MS);
    });

    it('nobody, while somebody says that it computes, until nothing has come of it for long', () => {
      running();
      hear({ kind: 'progress', peer: A, tiles: tiles([0, 0]) }, { kind: 'progress', peer: B, tiles: tiles([0, 1]) });
      for (; nowMs < 1_000 + STANDSTILL_MS - 1_000; nowMs += 1_000) {
        assert.equal(hear({ kind: 'progress', peer: C, tiles: [] }, { kind: 'tick' }), undefined);
      }
      nowMs += 1_000;
      hear({ kind: 'progress', peer: C, tiles: [] });
      replanWithout(C)(hear({ kind: 'tick' }));
    });

    it('for silence while some prepare: those, and later', () => {
      running();
      hear({ kind: 'preparing', peer: C });
      nowMs += RUN_SILENCE_MS;
      assert.equal(hear({ kind: 'tick' }), undefined);
      nowMs += PREPARE_SILENCE_MS - RUN_SILENCE_MS;
      replanWithout(C)(hear({ kind: 'tick' }));
    });

    it('not the one that has prepared since', () => {
      for (const sign of [ready(C), { kind: 'progress', peer: C, tiles: [] } as const]) {
        running();
        hear({ kind: 'preparing', peer: C }, sign);
        nowMs += RUN_SILENCE_MS;
        replanWithout(B, C)(hear({ kind: 'tick' }));
      }
    });

    it('the coordinator itself, for silence that is its own: another may do better', () => {
      running();
      hear({ kind: 'progress', peer: B, tiles: tiles([0, 1]) }, { kind: 'progress', peer: C, tiles: tiles([0, 2]) });
      nowMs += RUN_SILENCE_MS;
      assert.deepEqual(hear({ kind: 'tick' })?.kind, 'giveUp');
    });

    it('none of the participants, for an entry that hands out nothing', () => {
      begin(false);
      hear({ kind: 'assigned' });
      nowMs += PREPARE_SILENCE_MS;
      assert.equal(hear({ kind: 'tick' })?.kind, 'giveUp');
    });

    const failed = (peer: PeerId, lostPeer?: PeerId, code: 'PEER_LOST' | 'STALE_TERM' = 'PEER_LOST'): CourseEvent => ({
      kind: 'failed',
      peer,
      code,
      message: 'it failed',
      lostPeer,
    });
    const cases: readonly (readonly [string, CourseEvent, readonly PeerId[] | 'giveUp'])[] = [
      ['the one that fails', failed(B), [B]],
      ['the one that another cannot reach', failed(B, C), [C]],
      ['the one that the entry cannot reach', failed(ENTRY, B), [B]],
      ['the one that cannot reach the entry', failed(B, ENTRY), [B]],
      ['the coordinator where it fails', failed(A), 'giveUp'],
      ['who cannot reach the coordinator, which is there', failed(B, A), [B]],
      ['the coordinator where it cannot reach the entry', failed(A, ENTRY), 'giveUp'],
      ['nobody else where the entry fails', failed(ENTRY), 'giveUp'],
      ['nobody else where the term is over', failed(B, undefined, 'STALE_TERM'), 'giveUp'],
    ];
    for (const [name, event, expected] of cases) {
      it(name, () => {
        running();
        const turn = hear(event);
        if (expected === 'giveUp') assert.equal(turn?.kind, 'giveUp');
        else replanWithout(...expected)(turn);
      });
    }

    it('nobody, where a participant missed pieces that came before the plan', () => {
      running();
      replanWithout()(hear({ kind: 'missed', peer: B }));
    });

    it('a peer that is lost, unless it has finished', () => {
      running();
      assert.equal(hear(finished(B), { kind: 'lost', peer: B }), undefined);
      assert.equal(hear({ kind: 'lost', peer: ENTRY }), undefined);
      replanWithout(C)(hear({ kind: 'lost', peer: C }));
    });
  });

  it('changes nothing after its end', () => {
    begin(false);
    hear({ kind: 'assigned' });
    hear({ kind: 'missed', peer: B });
    const ended = course;
    for (const event of [ready(A), finished(A), { kind: 'fed' }, { kind: 'tick' }] as const) {
      assert.equal(hear(event), undefined);
      assert.equal(course, ended);
    }
  });
});
