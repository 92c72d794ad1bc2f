import assert from 'node:assert/strict';
import { clean, formatBox, formatBytes, formatMs } from '../../../web/format.js';
import { lookOf, Looks } from '../../../web/palette.js';
import { linkWidth, pairsOf, ring } from '../../../web/ring.js';
import { serverSentParser } from '../../../web/server-sent.js';

describe('web/format', () => {
  it('takes out what could hide or turn text, and shortens', () => {
    assert.equal(clean('a\u202eb\u0000c\u200bd'), 'abcd');
    assert.equal(clean('x'.repeat(100), 10), `${'x'.repeat(9)}…`);
    assert.equal(clean({ toString: () => 'x' }), '');
  });

  it('writes quantities with their units', () => {
    assert.deepEqual([0, 999, 1500, 999_999, 553e6].map(formatBytes), ['0 B', '999 B', '1.5 KB', '1.0 MB', '553 MB']);
    assert.deepEqual([0.25, 12.4, 840, 12_345].map(formatMs), ['0.3 ms', '12 ms', '840 ms', '12.3 s']);
    assert.equal(formatBox([[0, 1], [0, 64], [3, 9]]), '0:64, 3:9'); // prettier-ignore
    assert.equal(formatBox(null), 'all');
  });
});

describe('web/palette', () => {
  it('tells 24 peers apart by colour and texture together', () => {
    const looks = Array.from({ length: 24 }, (_, index) => lookOf(index));
    assert.equal(new Set(looks.map(({ colour, texture }) => `${colour} ${texture}`)).size, 24);
  });

  it('numbers peers by name, and keeps the numbers when others come and go', () => {
    const looks = new Looks();
    looks.meet([
      { id: 'b', name: 'board-10' },
      { id: 'a', name: 'board-2' },
    ]);
    looks.meet([{ id: 'c', name: 'board-1' }]);
    assert.deepEqual(
      ['a', 'b', 'c'].map((id) => looks.of(id).number),
      [1, 2, 3],
    );
  });
});

describe('web/server-sent', () => {
  it('finds events however the text is cut', () => {
    const text = ':\n\nevent: peers\ndata: {"a":1}\n\ndata: one\r\ndata: two\r\n\r\nevent: unfinished\n';
    for (let size = 1; size <= text.length; size++) {
      const found: string[] = [];
      const push = serverSentParser((event, data) => void found.push(`${event} ${data}`));
      for (let start = 0; start < text.length; start += size) push(text.slice(start, start + size));
      assert.deepEqual(found, ['peers {"a":1}', 'message one\ntwo']);
    }
  });
});

describe('web/ring', () => {
  const link = { from: 'a', to: 'b', isConnected: true, p50Ms: 1, loss: 0, sentBytes: 3000 };

  it('adds both directions up, as a rate since the last time', () => {
    const links = [link, { ...link, from: 'b', to: 'a', sentBytes: 500, p50Ms: null }];
    const before = new Map([
      ['a>b', 1000],
      ['b>a', 500],
    ]);
    assert.deepEqual(pairsOf(links, before, 2000), [
      { a: 'a', b: 'b', isConnected: true, p50Ms: 1, bytesPerSecond: 1000, sentBytes: 3500 },
    ]);
  });

  it('invents no traffic the first time, nor when a peer started anew', () => {
    assert.equal(pairsOf([link], new Map(), 0)[0]!.bytesPerSecond, 0);
    assert.equal(pairsOf([link], new Map([['a>b', 9000]]), 1000)[0]!.bytesPerSecond, 0);
  });

  it('keeps peers within the picture, apart from each other', () => {
    for (const count of [1, 2, 3, 24]) {
      const places = ring(count, 400, 300, 40);
      assert.equal(new Set(places.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`)).size, count);
      assert.ok(places.every(({ x, y }) => x >= 40 && x <= 360 && y >= 40 && y <= 260));
    }
    assert.ok(linkWidth(1e6) > linkWidth(1e4) && linkWidth(1e12) <= 10);
  });
});
