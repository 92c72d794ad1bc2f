import assert from 'node:assert/strict';
import { asPeerId, type ModelId, type PeerId } from '../../../../src/core/ids.ts';
import {
  beginCourse,
  completedTiles,
  holdingUp,
  DOUBT_MS,
  GONE_MS,
  nextTickMs,
  silenceDueMs,
  TELL_AGAIN_MS,
  UNHEARD_MS,
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

/** So that nobody is taken to be late: see `straggler.test.ts`. */
const PATIENCE = 1_000;

const tiles = (...places: readonly (readonly [block: number, part: number])[]) =>
  places.map(([block, part]) => ({ block, part }));

describe('core/plan/course', () => {
  let course: Course;
  let nowMs: number;

  function begin(isAwaited: boolean, patience = 1): void {
    nowMs = 1_000;
    course = beginCourse(PLAN, A, ENTRY, isAwaited, nowMs, patience);
  }

  function hear(...events: readonly CourseEvent[]): Turn | undefined {
    let turn: Turn | undefined;
    for (const event of events) {
      assert.equal(turn, undefined, 'only the last event is to have a consequence');
      [course, turn] = stepCourse(course, event, nowMs);
    }
    return turn;
  }

  /** Lets time pass without a word, looking as often as it is due; what comes of it, doubts aside. */
  function silence(ms: number): Turn | undefined {
    for (const endMs = nowMs + ms; nowMs < endMs;) {
      nowMs = Math.min(endMs, Math.max(nowMs + 1, nextTickMs(course)));
      const turn = hear({ kind: 'tick' });
      if (turn !== undefined && turn.kind !== 'doubt') return turn;
    }
    return undefined;
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
    const dueMs = silenceDueMs(course);
    nowMs = dueMs - 1;
    hear(ready(B));
    assert.equal(silenceDueMs(course), dueMs);
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

  const running = (patience = 1): void => {
    begin(false, patience);
    hear({ kind: 'assigned' });
    hear({ kind: 'fed' });
  };

  describe('who is blamed', () => {
    it('for silence: those who owe a tile of the earliest unfinished block', () => {
      running(PATIENCE);
      hear({ kind: 'progress', peer: A, tiles: tiles([0, 0]) }, { kind: 'progress', peer: C, tiles: tiles([0, 2]) });
      assert.deepEqual(holdingUp(course), [B]);
      assert.equal(silenceDueMs(course), nowMs + RUN_SILENCE_MS);
      nowMs += RUN_SILENCE_MS - 1;
      assert.deepEqual(hear({ kind: 'tick' }), { kind: 'doubt', peers: [B], unheard: [] });
      nowMs += 1;
      replanWithout(B)(hear({ kind: 'tick' }));
    });

    it('for silence later, where the plan takes long', () => {
      course = beginCourse({ ...PLAN, predictedMs: 2_000 }, A, ENTRY, false, nowMs);
      hear({ kind: 'assigned' });
      hear({ kind: 'fed' });
      assert.equal(silenceDueMs(course), nowMs + 6_000);
      course = beginCourse({ ...PLAN, predictedMs: 1e6 }, A, ENTRY, false, nowMs);
      hear({ kind: 'assigned' });
      hear({ kind: 'fed' });
      assert.equal(silenceDueMs(course), nowMs + PREPARE_SILENCE_MS);
    });

    it('nobody, while somebody says that it computes, until nothing has come of it for long', () => {
      running(PATIENCE);
      hear({ kind: 'progress', peer: A, tiles: tiles([0, 0]) }, { kind: 'progress', peer: B, tiles: tiles([0, 1]) });
      for (; nowMs < 1_000 + STANDSTILL_MS - 1_000; nowMs += 1_000) {
        assert.equal(hear({ kind: 'progress', peer: C, tiles: [] }, { kind: 'tick' }), undefined);
      }
      hear({ kind: 'progress', peer: C, tiles: [] });
      replanWithout(C)(silence(1_000));
    });

    it('for silence while some prepare: those, and later', () => {
      running();
      hear({ kind: 'preparing', peer: C, isFetching: true });
      nowMs += RUN_SILENCE_MS;
      assert.deepEqual(hear({ kind: 'tick' }), { kind: 'doubt', peers: [C], unheard: [] });
      replanWithout(C)(silence(PREPARE_SILENCE_MS - RUN_SILENCE_MS));
    });

    it('not the one that has prepared since', () => {
      for (const sign of [ready(C), { kind: 'progress', peer: C, tiles: [] } as const]) {
        running();
        hear({ kind: 'preparing', peer: C, isFetching: true }, sign);
        replanWithout(B, C)(silence(RUN_SILENCE_MS));
      }
    });

    it('the coordinator itself, for silence that is its own: another may do better', () => {
      running(PATIENCE);
      hear({ kind: 'progress', peer: B, tiles: tiles([0, 1]) }, { kind: 'progress', peer: C, tiles: tiles([0, 2]) });
      assert.equal(silence(RUN_SILENCE_MS)?.kind, 'giveUp');
    });

    it('none of the participants, for an entry that hands out nothing', () => {
      begin(false);
      hear({ kind: 'assigned' });
      assert.equal(silence(PREPARE_SILENCE_MS)?.kind, 'giveUp');
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

  describe('who is doubted', () => {
    const doubted = (): readonly PeerId[] => {
      nowMs += DOUBT_MS;
      const turn = hear({ kind: 'tick' });
      return turn?.kind === 'doubt' ? turn.peers : [];
    };

    it('those that are waited for and say nothing: who prepares, then the entry, then who owes the earliest tiles', () => {
      begin(true);
      hear({ kind: 'assigned' });
      assert.deepEqual(doubted(), [B, C]);
      hear(ready(B));
      assert.deepEqual(doubted(), [C]);
      hear(ready(A));
      hear(ready(C));
      assert.deepEqual(doubted(), [ENTRY]);
      hear({ kind: 'fed' });
      assert.deepEqual(doubted(), [B, C]);
      hear({ kind: 'progress', peer: A, tiles: tiles([0, 0]) }, { kind: 'progress', peer: B, tiles: tiles([0, 1]) });
      assert.deepEqual(doubted(), [C]);
    });

    it('not those that have said something a moment ago', () => {
      begin(true);
      hear({ kind: 'assigned' });
      nowMs += DOUBT_MS - 1;
      hear({ kind: 'preparing', peer: B, isFetching: true });
      nowMs += 1;
      assert.deepEqual(hear({ kind: 'tick' }), { kind: 'doubt', peers: [C], unheard: [] });
    });
  });

  describe('who is done without before it is lost', () => {
    /** Looks again and again for so long; the last look with what is said of others. */
    const lookFor = (ms: number, said: Omit<Extract<CourseEvent, { kind: 'tick' }>, 'kind'> = {}): Turn | undefined => {
      for (const endMs = nowMs + ms; ;) {
        nowMs = Math.min(endMs, nextTickMs(course));
        const turn = hear({ kind: 'tick', ...(nowMs === endMs ? said : {}) });
        if (turn?.kind === 'replan' || nowMs === endMs) return turn;
      }
    };

    it('those that owe a tile of long work, are silent and answer nobody', () => {
      const blocks = PLAN.blocks.map((block) => ({
        ...block,
        parts: block.parts.map((part) => ({ ...part, predictedMs: 2_000 })),
      }));
      const compute = (): void => {
        course = beginCourse({ ...PLAN, blocks }, A, ENTRY, false, nowMs);
        hear({ kind: 'assigned' });
        hear({ kind: 'fed' });
        hear({ kind: 'progress', peer: A, tiles: tiles([0, 0]) }, { kind: 'progress', peer: C, tiles: tiles([0, 2]) });
      };
      compute();
      assert.equal(lookFor(GONE_MS, { doubtful: [C] })?.kind, 'doubt');
      compute();
      replanWithout(B)(lookFor(GONE_MS, { doubtful: [B] }));
    });

    it('those that do not even say that they prepare, later where answers take long, and nobody where there are no others', () => {
      const prepare = (patience?: number): void => {
        begin(true, patience);
        hear({ kind: 'assigned' }, ready(B), ready(A));
      };
      prepare();
      replanWithout(C)(lookFor(UNHEARD_MS));
      prepare();
      assert.equal(lookFor(UNHEARD_MS, { usualMs: 250 })?.kind, 'doubt');
      replanWithout(C)(lookFor(250, { usualMs: 250 }));
      prepare(PATIENCE);
      assert.equal(lookFor(UNHEARD_MS)?.kind, 'doubt');
      begin(true);
      hear({ kind: 'assigned' }, ready(A));
      assert.equal(lookFor(UNHEARD_MS)?.kind, 'doubt', 'most are silent: it may be the network');
    });
  });

  it('tells those again that have been silent for long, the coordinator itself included', () => {
    begin(true, PATIENCE);
    hear({ kind: 'assigned' }, ready(B));
    let unheard: readonly PeerId[] = [];
    for (const endMs = nowMs + TELL_AGAIN_MS; nowMs < endMs;) {
      assert.deepEqual(unheard, []);
      nowMs = Math.min(endMs, nextTickMs(course));
      hear({ kind: 'preparing', peer: A, isFetching: true });
      const turn = hear({ kind: 'tick' });
      if (turn?.kind === 'doubt') ({ unheard } = turn);
    }
    assert.deepEqual(unheard, [C]);
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
