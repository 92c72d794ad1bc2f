import assert from 'node:assert/strict';
import { layOutGantt, tickMs, workBeginsMs } from '../../../web/gantt.js';
import { movesOf, sharesOf, shownAttempt } from '../../../web/trace.js';
import { ENTRY, sampleTrace, WORKER } from '../../support/sample-trace.ts';

const trace = sampleTrace();
const WIDTH = 600;
const LEFT = 100;

describe('web/gantt', () => {
  it('has a bar for each tile within the picture, in the row of the peer that computed it', () => {
    const { tiles, y, height } = layOutGantt(trace, [ENTRY, WORKER], WIDTH, LEFT);
    assert.equal(tiles.length, 2);
    for (const bar of tiles as readonly { peer: string; x: number; width: number; y: number; height: number }[]) {
      assert.ok(bar.x >= LEFT && bar.x + bar.width <= WIDTH);
      assert.ok(bar.y >= y(bar.peer) && bar.y + bar.height <= height);
    }
  });

  it('is true to scale', () => {
    const { tiles, totalMs } = layOutGantt(trace, [ENTRY, WORKER], WIDTH, LEFT);
    const scale = (WIDTH - LEFT - 10) / totalMs;
    for (const bar of tiles as readonly { x: number; width: number; startMs: number; endMs: number }[]) {
      assert.ok(Math.abs(bar.x - LEFT - bar.startMs * scale) < 1e-9);
      assert.ok(Math.abs(bar.width - (bar.endMs - bar.startMs) * scale) < 1e-9);
    }
  });

  it('puts both ends of what moved together', () => {
    assert.deepEqual(
      movesOf(trace).map(({ piece, from, to }: { piece: number; from: string; to: string }) => [piece, from, to]),
      [
        [3, WORKER, ENTRY],
        [1, ENTRY, WORKER],
      ],
    );
  });

  it('shows the last attempt whose plan is known, and what each peer did', () => {
    assert.equal(shownAttempt(trace), 1);
    assert.deepEqual(
      sharesOf(trace).map(({ peer, tiles, sentBytes }: { peer: string; tiles: number; sentBytes: number }) => [
        peer,
        tiles,
        sentBytes,
      ]),
      [
        [ENTRY, 1, 480],
        [WORKER, 1, 512],
      ],
    );
  });

  it('begins where the work begins when that is late, else at 0', () => {
    const late = { elapsedMs: 1000, peers: [{ computed: [{ startMs: 900 }], sent: [{ startMs: 880 }] }] };
    assert.equal(workBeginsMs(late), 874);
    assert.equal(workBeginsMs({ ...late, elapsedMs: 10_000 }), 0);
    assert.equal(workBeginsMs({ elapsedMs: 10, peers: [] }), 0);
  });

  it('has ticks at round times', () => {
    assert.equal(tickMs(1000, 10), 100);
    assert.equal(tickMs(777, 10), 100);
    assert.equal(tickMs(18, 6), 5);
  });
});
