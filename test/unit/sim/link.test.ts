import assert from 'node:assert/strict';
import { EventQueue } from '../../../src/sim/event-queue.ts';
import { Link } from '../../../src/sim/link.ts';
import { parseLink } from '../../../src/sim/links.ts';

/** A thousand bytes take a millisecond. */
const CABLE = { bytesPerSecond: 1e6, latencyMs: 0.5 };

/** `[from, to, at, bytes]`, and when the last byte is there. */
function arrivals(rates: readonly number[], sent: readonly (readonly [number, number, number, number])[]): number[] {
  const queue = new EventQueue();
  const links = rates.map((rate) => new Link({ ...CABLE, bytesPerSecond: CABLE.bytesPerSecond * rate }));
  const times: number[] = [];
  for (const [index, [from, to, atMs, bytes]] of sent.entries()) {
    queue.at(atMs, () => links[from]!.carry(queue, links[to]!, bytes, () => (times[index] = queue.nowMs)));
  }
  queue.run();
  return times;
}

describe('sim/link', () => {
  const cases: readonly (readonly [
    string,
    readonly number[],
    (readonly [number, number, number, number])[],
    number[],
  ])[] = [
    ['takes a latency and the time of the bytes, not that of both cables', [1, 1], [[0, 1, 0, 4000]], [4.5]],
    [
      'sends one after another',
      [1, 1, 1],
      [
        [0, 1, 0, 2000],
        [0, 2, 0, 2000],
      ],
      [2.5, 4.5],
    ],
    [
      'receives one after another',
      [1, 1, 1],
      [
        [0, 2, 0, 2000],
        [1, 2, 0, 2000],
      ],
      [2.5, 4.5],
    ],
    [
      'sends and receives at once',
      [1, 1],
      [
        [0, 1, 0, 2000],
        [1, 0, 0, 2000],
      ],
      [2.5, 2.5],
    ],
    ['is as fast as the slower cable: the sender', [1, 10], [[0, 1, 0, 4000]], [4.5]],
    ['is as fast as the slower cable: the receiver', [10, 1], [[0, 1, 0, 4000]], [4.5]],
    ['carries nothing in no time but the latency', [1, 1], [[0, 1, 3, 0]], [3.5]],
  ];
  for (const [name, rates, sent, expected] of cases) {
    it(name, () => assert.deepEqual(arrivals(rates, sent), expected));
  }

  it('counts how long each way was in use', () => {
    const queue = new EventQueue();
    const [a, b] = [new Link(CABLE), new Link(CABLE)];
    a.carry(queue, b, 3000, () => undefined);
    queue.run();
    assert.deepEqual(
      [a.busyMs, b.busyMs],
      [
        { in: 0, out: 3 },
        { in: 3, out: 0 },
      ],
    );
  });
});

describe('sim/links', () => {
  for (const [text, bytesPerSecond] of [
    ['1gbit', 117e6],
    ['100mbit', 11.7e6],
    ['83', 9.711e6],
    ['2.5Gbit', 292.5e6],
  ] as const) {
    it(`reads ${text}`, () => assert.ok(Math.abs(parseLink(text).bytesPerSecond - bytesPerSecond) < 1));
  }
  for (const text of ['', 'fast', '-1', '0', '1tbit']) {
    it(`refuses "${text}"`, () =>
      assert.throws(() => parseLink(text), { code: 'INVALID_ARGUMENT', message: /100mbit/ }));
  }
});
