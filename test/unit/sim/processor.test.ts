import assert from 'node:assert/strict';
import { EventQueue } from '../../../src/sim/event-queue.ts';
import { OwnCores, type Cores } from '../../../src/sim/processor.ts';
import { SharedCores } from '../../../src/sim/shared-cores.ts';

/** `[thread, at, work]` of jobs, and when each has begun and ended. */
function run(
  queue: EventQueue,
  cores: readonly Cores[],
  jobs: readonly (readonly [number, number, number])[],
): number[][] {
  const threads = cores.map((own) => own.thread());
  const spans: number[][] = jobs.map(() => []);
  for (const [index, [thread, atMs, workMs]] of jobs.entries()) {
    queue.at(atMs, () =>
      threads[thread]!.run(workMs, (startMs) => {
        spans[index] = [startMs, queue.nowMs].map((ms) => Number(ms.toFixed(6)));
      }),
    );
  }
  queue.run();
  return spans;
}

describe('sim/processor', () => {
  it('does the jobs of a thread one after another, those of several at once', () => {
    const queue = new EventQueue();
    const cores = new OwnCores(queue);
    const spans = run(
      queue,
      [cores, cores],
      [
        [0, 0, 5],
        [0, 1, 2],
        [1, 1, 3],
        [0, 20, 1],
      ],
    );
    assert.deepEqual(spans, [
      [0, 5],
      [5, 7],
      [1, 4],
      [20, 21],
    ]);
  });

  it('drops what a stopped thread has in hand', () => {
    const queue = new EventQueue();
    const thread = new OwnCores(queue).thread();
    let isDone = false;
    thread.run(5, () => (isDone = true));
    queue.at(1, () => thread.stop());
    queue.run();
    assert.equal(isDone, false);
  });
});

describe('sim/shared-cores', () => {
  /** Slice and period of each group; cores; jobs; spans. */
  const cases: readonly (readonly [string, readonly (readonly [number, number])[], number, number[][], number[][]])[] =
    [
      ['runs at full speed within its slice', [[4, 16]], 1, [[0, 0, 3]], [[0, 3]]],
      ['stalls until the next period', [[4, 16]], 1, [[0, 0, 10]], [[0, 34]]],
      [
        'begins stalled work when its time comes',
        [[4, 16]],
        1,
        [
          [0, 0, 4],
          [0, 0, 1],
        ],
        [
          [0, 4],
          [16, 17],
        ],
      ],
      ['saves no time while idle', [[4, 16]], 1, [[0, 40, 5]], [[40, 49]]],
      [
        'gives two groups half a core each where there is one',
        [
          [8, 8],
          [8, 8],
        ],
        1,
        [
          [0, 0, 4],
          [1, 0, 4],
        ],
        [
          [0, 8],
          [0, 8],
        ],
      ],
      [
        'gives two groups a core each where there are two',
        [
          [8, 8],
          [8, 8],
        ],
        2,
        [
          [0, 0, 4],
          [1, 0, 4],
        ],
        [
          [0, 4],
          [0, 4],
        ],
      ],
      [
        'lets a group catch up when another is done',
        [
          [8, 8],
          [8, 8],
        ],
        1,
        [
          [0, 0, 2],
          [1, 0, 4],
        ],
        [
          [0, 4],
          [0, 6],
        ],
      ],
    ];
  for (const [name, quotas, count, jobs, expected] of cases) {
    it(name, () => {
      const queue = new EventQueue();
      const shared = new SharedCores(queue, count);
      const groups = quotas.map(([sliceMs, periodMs]) => shared.group({ sliceMs, periodMs }, 0));
      assert.deepEqual(run(queue, groups, jobs as [number, number, number][]), expected);
    });
  }

  it('charges the threads of a group to one account', () => {
    const queue = new EventQueue();
    const group = new SharedCores(queue, 4).group({ sliceMs: 4, periodMs: 16 }, 0);
    // Two threads use up 4 ms in 2 ms, and have 4 ms more at 16 ms.
    assert.deepEqual(
      run(
        queue,
        [group, group],
        [
          [0, 0, 3],
          [1, 0, 3],
        ],
      ),
      [
        [0, 17],
        [0, 17],
      ],
    );
  });

  it('begins periods at its phase', () => {
    const queue = new EventQueue();
    const group = new SharedCores(queue, 1).group({ sliceMs: 4, periodMs: 16 }, -10);
    assert.deepEqual(run(queue, [group], [[0, 0, 5]]), [[0, 7]]);
  });

  it('stops the jobs of a thread for good', () => {
    const queue = new EventQueue();
    const thread = new SharedCores(queue, 1).group({ sliceMs: 4, periodMs: 16 }, 0).thread();
    let isDone = false;
    thread.run(10, () => (isDone = true));
    queue.at(20, () => thread.stop());
    queue.run();
    assert.equal(isDone, false);
    assert.equal(thread.busyMs, 8);
  });
});
