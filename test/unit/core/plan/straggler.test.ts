import assert from 'node:assert/strict';
import { asPeerId, type ModelId, type PeerId } from '../../../../src/core/ids.ts';
import { beginCourse, stepCourse, type Course, type CourseEvent, type Turn } from '../../../../src/core/plan/course.ts';
import { PLAN_SCHEMA, type Plan } from '../../../../src/core/plan/plan.ts';
import { LATE_IN_ALL_MS, LATE_MS, LATE_PREPARING_MS, LOOK_MS } from '../../../../src/core/plan/straggler.ts';

const A = asPeerId('a');
const B = asPeerId('b');
const C = asPeerId('c');
const BLOCKS = 20;

const planOf = (tileMs: number, participants: readonly PeerId[] = [A, B, C]): Plan => ({
  schema: PLAN_SCHEMA,
  modelId: '0'.repeat(64) as ModelId,
  inputs: {},
  arithmetic: 'exact',
  participants,
  blocks: Array.from({ length: BLOCKS }, (_, block) => ({
    first: block,
    last: block,
    cut: { axes: [2], counts: [participants.length] },
    parts: participants.map((_peer, participant) => ({ participant, outputs: {}, predictedMs: tileMs })),
  })),
  predictedMs: BLOCKS * tileMs,
  singleMs: 1,
});

describe('core/plan/straggler', () => {
  let course: Course;
  let nowMs: number;

  function step(event: CourseEvent): Turn | undefined {
    const [next, turn] = stepCourse(course, event, nowMs);
    course = next;
    return turn;
  }

  /** `a` coordinates; the inputs have been handed out. */
  function run(plan: Plan, patience = 1): void {
    nowMs = 1_000;
    course = beginCourse(plan, A, A, false, nowMs, patience);
    step({ kind: 'assigned' });
    step({ kind: 'fed' });
  }

  /** Lets time pass, with signs of life of everybody; what comes of it first. */
  function pass(ms: number, signs: readonly PeerId[] = [A, B, C]): Turn | undefined {
    for (const endMs = nowMs + ms; nowMs < endMs;) {
      nowMs = Math.min(endMs, nowMs + LOOK_MS);
      for (const peer of signs) step({ kind: 'progress', peer, tiles: [] });
      const turn = step({ kind: 'tick' });
      if (turn !== undefined && turn.kind !== 'doubt') return turn;
    }
    return undefined;
  }

  const done = (block: number, ...peers: readonly PeerId[]): void => {
    for (const peer of peers) step({ kind: 'progress', peer, tiles: [{ block, part: [A, B, C].indexOf(peer) }] });
  };
  const isLate = (...peers: readonly PeerId[]) => ({ kind: 'replan', without: peers, reason: 'is late' });

  it('goes on without the one that most wait for, although it says that it is at work', () => {
    run(planOf(1));
    done(0, A, C);
    assert.equal(pass(LATE_MS - 1), undefined);
    assert.deepEqual(pass(LOOK_MS), isLate(B));
  });

  it('goes on without the coordinator itself as a participant', () => {
    run(planOf(1));
    done(0, B, C);
    assert.deepEqual(pass(2 * LATE_MS), isLate(A));
  });

  it('waits as long as the cost model explains, at the pace of the others', () => {
    run(planOf(400));
    nowMs += 400;
    done(0, A, C);
    assert.equal(pass(1_000), undefined);
    assert.deepEqual(pass(400), isLate(B));
    // The others took twice as long as was planned.
    run(planOf(400));
    nowMs += 800;
    done(0, A, C);
    assert.equal(pass(2_250), undefined);
    assert.deepEqual(pass(500), isLate(B));
  });

  it('blames nobody while most are late', () => {
    run(planOf(1));
    done(0, A);
    assert.equal(pass(10 * LATE_MS), undefined);
  });

  it('gives one that does all alone much longer, and as long as it needs where nobody else could do it', () => {
    run(planOf(1, [A]));
    assert.equal(pass(1_250), undefined);
    assert.deepEqual(pass(LOOK_MS), isLate(A));
    run(planOf(1_000, [A]));
    assert.equal(pass(7_750), undefined);
    assert.deepEqual(pass(LOOK_MS), isLate(A));
    run(planOf(1, [A]), Infinity);
    assert.equal(pass(25_000), undefined);
  });

  it('waits longer after each peer that was late', () => {
    run(planOf(1), 4);
    done(0, A, C);
    assert.equal(pass(4 * LATE_MS - 1), undefined);
    assert.deepEqual(pass(LOOK_MS), isLate(B));
  });

  it('goes on without the one that is a little late with everything', () => {
    run(planOf(1));
    const beganMs = nowMs;
    let turn: Turn | undefined;
    for (let block = 0; block < BLOCKS && turn === undefined; block++) {
      done(block, A, C);
      turn = pass(LOOK_MS);
      if (turn === undefined) done(block, B);
    }
    assert.deepEqual(turn, isLate(B));
    assert.equal(nowMs - beganMs, LATE_IN_ALL_MS);
  });

  it('blames nobody where the one that is late is another each time', () => {
    run(planOf(1));
    const peers = [A, B, C];
    for (let block = 0; block < BLOCKS; block++) {
      const late = peers[block % 3]!;
      done(block, ...peers.filter((peer) => peer !== late));
      assert.equal(pass(LOOK_MS), undefined);
      done(block, late);
    }
  });

  it('blames nobody when it looks late itself: what has come is not read yet', () => {
    run(planOf(1));
    done(0, A, C);
    nowMs += 4 * LATE_MS;
    assert.notEqual(step({ kind: 'tick' })?.kind, 'replan');
    done(0, B);
    assert.equal(pass(LOOK_MS), undefined);
  });

  describe('while they prepare', () => {
    const prepare = (): void => {
      nowMs = 1_000;
      course = beginCourse(planOf(1), A, A, true, nowMs);
      step({ kind: 'assigned' });
      nowMs += 100;
      for (const peer of [A, C]) step({ kind: 'ready', peer });
    };
    const passPreparing = (ms: number, isFetching: boolean): Turn | undefined => {
      for (const endMs = nowMs + ms; nowMs < endMs;) {
        nowMs += LOOK_MS;
        step({ kind: 'preparing', peer: B, isFetching });
        const turn = step({ kind: 'tick' });
        if (turn !== undefined) return turn;
      }
      return undefined;
    };

    it('goes on without the one that takes much longer than all others', () => {
      prepare();
      assert.equal(passPreparing(LATE_PREPARING_MS - LOOK_MS, false), undefined);
      assert.deepEqual(passPreparing(LOOK_MS, false), isLate(B));
    });

    it('waits for one that fetches weights', () => {
      prepare();
      assert.equal(passPreparing(5 * LATE_PREPARING_MS, true), undefined);
    });
  });
});
