import assert from 'node:assert/strict';
import type { ModelId, RequestId } from '../../../src/core/ids.ts';
import { MOVE_COLUMNS, RECEIVED, SENT } from '../../../src/core/trace/account.ts';
import { summarise } from '../../../src/core/trace/summary.ts';
import { asPeerId } from '../../../src/core/ids.ts';
import { Recorder, RECORDER_DEFAULTS } from '../../../src/mesh/recording.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const idOf = (number: number): RequestId => number.toString(16).padStart(32, '0') as RequestId;
const attemptOf = (requestId: RequestId) => ({ requestId, term: 2, attempt: 3 });
const FACTS = { model: 'lenet5', modelId: 'ab'.repeat(32) as ModelId, arrivedUnixMs: 1e12 };
const ENTRY = asPeerId('entry');

describe('mesh/recording', () => {
  it('gives back what was written down, in order', () => {
    const clock = new FakeClock();
    const recording = new Recorder(clock).of(idOf(1));
    const id = attemptOf(idOf(1));
    recording.computed(id, { block: 4, part: 1, lane: 0, readyMs: 1, startMs: 2, endMs: 3.00049 });
    const startMs = clock.now();
    recording.sent(id, ENTRY, 7, 4096, startMs);
    recording.received(id, 8, 128, 5);
    const { computed, moved, dropped } = recording.account();
    assert.deepEqual(computed, [2, 3, 4, 1, 0, 1, 2, 3]);
    assert.deepEqual(moved, [SENT, 2, 3, 7, 4096, startMs, clock.now(), RECEIVED, 2, 3, 8, 128, 5, 5]);
    assert.equal(dropped, 0);
  });

  it('keeps so many rows of one request and counts the others', () => {
    const recording = new Recorder(new FakeClock()).of(idOf(1));
    for (let piece = 0; piece < 5000; piece++) recording.received(attemptOf(idOf(1)), piece, 1, 0);
    const { moved, dropped } = recording.account();
    assert.equal(moved.length / MOVE_COLUMNS + dropped, 5000);
    assert.ok(dropped > 0 && recording.byteLength < 2 ** 20);
    for (let count = 0; count < 300; count++) recording.mark('assigned');
    assert.equal(recording.marks.length, 256);
    assert.equal(recording.account().dropped, dropped + 44);
  });

  it('forgets the oldest requests, by their number and by what they take', () => {
    const few = new Recorder(new FakeClock(), { requests: 3, bytes: Infinity });
    for (let number = 1; number <= 5; number++) few.of(idOf(number));
    assert.deepEqual(
      few.all().map(({ requestId }) => requestId),
      [5, 4, 3].map(idOf),
    );
    const small = new Recorder(new FakeClock(), { requests: 64, bytes: 100_000 });
    for (let number = 1; number <= 5; number++) {
      const recording = small.of(idOf(number));
      for (let piece = 0; piece < 1000; piece++) recording.received(attemptOf(idOf(number)), piece, 1, 0);
    }
    small.of(idOf(6));
    const bytes = small.all().reduce((sum, { byteLength }) => sum + byteLength, 0);
    assert.ok(bytes <= 100_000 && small.find(idOf(5)) !== undefined && small.find(idOf(1)) === undefined);
  });

  it('takes a few microseconds for a request of a hundred rows and nothing that grows with pieces', () => {
    const recorder = new Recorder(new FakeClock(), RECORDER_DEFAULTS);
    const cpu = process.cpuUsage();
    for (let number = 0; number < 2000; number++) {
      const requestId = idOf(number);
      const recording = recorder.of(requestId);
      for (let row = 0; row < 100; row++) recording.received(attemptOf(requestId), row, 1, row);
    }
    const { user, system } = process.cpuUsage(cpu);
    // Measured: 10 to 20 microseconds; a hundred times as much would be a mistake.
    assert.ok((user + system) / 2000 < 2000, `${(user + system) / 2000} microseconds for each request`);
  });

  it('tells its listeners, and tallies tiles and failures', () => {
    const clock = new FakeClock();
    const recorder = new Recorder(clock);
    const heard: string[] = [];
    recorder.onMark((own, { what }) => heard.push(`${own.facts?.model ?? '?'} ${what}`));
    const recording = recorder.of(idOf(1));
    recording.arrived(FACTS);
    recording.mark('failed', {}, { text: 'no peer' });
    assert.deepEqual(heard, ['lenet5 arrived', 'lenet5 failed']);
    for (let tile = 0; tile < 30; tile++) {
      recording.computed(attemptOf(idOf(1)), { block: 0, part: 0, lane: 0, readyMs: 0, startMs: 0, endMs: 0 });
    }
    clock.advance(10_000);
    assert.deepEqual([recorder.tally.tiles, recorder.tally.errors, recorder.tally.tilesPerSecond], [30, 1, 3]);
    clock.advance(120_000);
    assert.deepEqual([recorder.tally.tiles, recorder.tally.tilesPerSecond], [30, 0]);
  });

  it('sums up a request by its marks', () => {
    const clock = new FakeClock();
    const recording = new Recorder(clock).of(idOf(1));
    recording.arrived(FACTS);
    clock.advance(5);
    recording.mark('accepted', { term: 2 }, { peer: asPeerId('b') });
    const running = summarise(idOf(1), ENTRY, FACTS, recording.marks, clock.now());
    assert.deepEqual([running.state, running.coordinator, running.term, running.elapsedMs], ['running', 'b', 2, 5]);
    clock.advance(7);
    recording.mark('failed', {}, { text: 'too late' });
    clock.advance(1000);
    const failed = summarise(idOf(1), ENTRY, FACTS, recording.marks, clock.now());
    assert.deepEqual([failed.state, failed.reason, failed.elapsedMs], ['failed', 'too late', 12]);
  });
});
