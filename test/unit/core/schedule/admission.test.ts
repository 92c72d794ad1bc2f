import assert from 'node:assert/strict';
import {
  ADMISSION_DEFAULTS,
  beginAdmission,
  heldBytes,
  nextTickMs,
  stepAdmission,
  waitingCount,
  type Admission,
  type AdmissionEffect,
  type AdmissionEvent,
} from '../../../../src/core/schedule/admission.ts';
import { randomOf } from '../../../property/random.ts';

const PLACES = 4;
const SETTINGS = { ...ADMISSION_DEFAULTS, maxWaiting: 20, maxBytes: 10_000 };

describe('core/schedule/admission', () => {
  let state: Admission;
  let nowMs: number;
  let tickets: number;
  let started: number[];
  let refused: Extract<AdmissionEffect, { kind: 'refuse' }>[];
  let expired: number[];

  beforeEach(() => {
    state = beginAdmission(SETTINGS);
    nowMs = 0;
    tickets = 0;
    started = [];
    refused = [];
    expired = [];
  });

  function feed(event: AdmissionEvent): void {
    const [next, effects] = stepAdmission(state, event, PLACES, nowMs);
    state = next;
    for (const effect of effects) {
      if (effect.kind === 'start') started.push(effect.ticket);
      else if (effect.kind === 'refuse') refused.push(effect);
      else expired.push(effect.ticket);
    }
  }

  function arrive(client: string, { bytes = 1, cost = 100, deadlineMs = 1e6 } = {}): number {
    tickets += 1;
    feed({ kind: 'arrived', applicant: { ticket: tickets, client, bytes, cost, deadlineMs } });
    return tickets;
  }

  const end = (ticket: number, isAnswered = true): void => feed({ kind: 'left', ticket, isAnswered });

  it('runs as many as there are places, and the next when one ends', () => {
    const all = Array.from({ length: 6 }, () => arrive('a'));
    assert.deepEqual(started, all.slice(0, PLACES));
    end(all[1]!);
    assert.deepEqual(started, all.slice(0, PLACES + 1));
  });

  it('leaves places for a second client, however many requests the first one sends', () => {
    for (let index = 0; index < 1000; index++) arrive('greedy');
    assert.equal(waitingCount(state), 16);
    assert.ok(refused.every(({ reason }) => reason.cause === 'client has its share'));
    refused = [];
    arrive('modest');
    assert.equal(refused.length, 0);
    for (let index = 0; index < 1000; index++) arrive(`client ${index}`);
    assert.equal(waitingCount(state), SETTINGS.maxWaiting);
    assert.ok(refused.every(({ reason }) => reason.cause === 'full'));
  });

  it('serves clients alike by time, whatever they send and however dear it is', () => {
    const clientOf = new Map<number, { readonly client: string; readonly cost: number }>();
    const served = new Map<string, number>();
    const refill = (client: string, cost: number): void => {
      while ((state.waiting.get(client)?.length ?? 0) < 3) clientOf.set(arrive(client, { cost }), { client, cost });
    };
    for (let turn = 0; turn < 4000; turn++) {
      refill('cheap', 10);
      refill('dear', 70);
      refill('middling', 30);
      const ticket = started.shift()!;
      const { client, cost } = clientOf.get(ticket)!;
      served.set(client, (served.get(client) ?? 0) + cost);
      end(ticket);
    }
    const shares = [...served.values()];
    assert.equal(shares.length, 3);
    assert.ok(Math.max(...shares) / Math.min(...shares) < 1.02, `${shares.join(', ')} ms`);
  });

  it('gives a client that comes back no credit for the time it was away', () => {
    for (let turn = 0; turn < 50; turn++) end(arrive('early'));
    const early = Array.from({ length: 8 }, () => arrive('early'));
    const late = Array.from({ length: 4 }, () => arrive('late'));
    started = [];
    for (const ticket of early.slice(0, PLACES)) end(ticket);
    assert.equal(started.filter((ticket) => late.includes(ticket)).length, 2);
  });

  it('holds no more bytes than it may, but takes a single request of any size', () => {
    const big = arrive('a', { bytes: 50_000 });
    assert.deepEqual(started, [big]);
    arrive('b');
    assert.equal(refused.at(-1)?.reason.cause, 'full');
    end(big);
    for (let index = 0; index < 12; index++) arrive('a', { bytes: 1000 });
    assert.equal(heldBytes(state), 10_000);
  });

  it('refuses on arrival what would be too late, and what waits until its deadline has passed', () => {
    for (let turn = 0; turn < 40; turn++) {
      const ticket = arrive('a');
      nowMs += 100;
      end(ticket);
    }
    for (let index = 0; index < 12; index++) arrive('a');
    const [before] = [waitingCount(state)];
    arrive('a', { deadlineMs: nowMs + 50 });
    assert.equal(refused.at(-1)?.reason.cause, 'too late');
    const patient = arrive('a', { deadlineMs: nowMs + 2_000 });
    assert.equal(waitingCount(state), before + 1);
    assert.equal(nextTickMs(state), nowMs + 2_000);
    nowMs += 2_000;
    feed({ kind: 'tick' });
    assert.deepEqual(expired, [patient]);
    assert.equal(nextTickMs(state), 1e6);
  });

  it('tells refused clients to come back one after the other, at the rate at which requests end', () => {
    for (let turn = 0; turn < 10; turn++) {
      const batch = Array.from({ length: PLACES }, () => arrive('a'));
      nowMs += 80;
      for (const ticket of batch) end(ticket);
    }
    for (let index = 0; index < 100; index++) arrive('a');
    const times = refused.map(({ reason }) => reason.retryAfterMs);
    // Four at a time, 80 ms each, though the last of a batch ends alone: between 20 and 80 ms.
    const gaps = times.slice(1).map((time, index) => time - times[index]!);
    assert.ok(
      gaps.every((gap) => gap >= 20 && gap <= 80),
      gaps.join(', '),
    );
    assert.ok(times[0]! >= waitingCount(state) * 20);
    assert.ok(times.every((time) => time <= SETTINGS.maxRetryMs));
  });

  it('keeps its bounds and forgets every client, whatever happens in whatever order', () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = randomOf(seed);
      state = beginAdmission(SETTINGS);
      const known = new Set<number>();
      started = [];
      refused = [];
      expired = [];
      for (let turn = 0; turn < 300; turn++) {
        nowMs += random.integer(0, 30);
        const choice = random.integer(0, 9);
        if (choice < 6) {
          const options = { bytes: random.integer(0, 3000), cost: random.integer(1, 500) };
          known.add(arrive(`c${random.integer(0, 5)}`, { ...options, deadlineMs: nowMs + random.integer(1, 500) }));
        } else if (choice < 9 && known.size > 0) {
          const ticket = random.pick([...known]);
          known.delete(ticket);
          end(ticket, random.chance(0.8));
        } else feed({ kind: 'tick' });
        assert.ok(state.running.size <= PLACES && waitingCount(state) <= SETTINGS.maxWaiting);
        assert.ok(heldBytes(state) <= SETTINGS.maxBytes);
        assert.ok(state.running.size === PLACES || waitingCount(state) === 0, 'nobody waits beside a free place');
      }
      for (const ticket of known) end(ticket);
      const told = [...started, ...expired, ...refused.map(({ ticket }) => ticket)];
      assert.equal(new Set(told).size, told.length, 'each is told one thing');
      assert.equal(state.running.size + state.waiting.size + state.finishTags.size, 0);
    }
  });
});
