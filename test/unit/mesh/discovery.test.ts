import assert from 'node:assert/strict';
import { multiaddr } from '@multiformats/multiaddr';
import fc from 'fast-check';
import { MeshError } from '../../../src/core/errors.ts';
import { parseAddress, reachable } from '../../../src/mesh/addresses.ts';
import { retryPauseMs } from '../../../src/mesh/discovery.ts';
import { asksAll, questionPauseMs, serviceTag } from '../../../src/mesh/multicast.ts';
import { deriveKey, newSecret } from '../../../src/mesh/trust/mesh-key.ts';

describe('mesh/discovery', () => {
  for (const [text, expected] of [
    ['10.0.0.7:4001', '/ip4/10.0.0.7/tcp/4001'],
    ['board-7.local:4001', '/dns4/board-7.local/tcp/4001'],
    ['/ip4/10.0.0.7/tcp/4001', '/ip4/10.0.0.7/tcp/4001'],
  ] as const) {
    it(`reads ${text} as an address`, () => {
      assert.equal(parseAddress(text).toString(), expected);
    });
  }

  for (const text of ['', 'board', '10.0.0.7', '300.0.0.1:1', '/ip4/x']) {
    it(`refuses ${JSON.stringify(text)} as an address`, () => {
      assert.throws(
        () => parseAddress(text),
        (error) => error instanceof MeshError && error.code === 'INVALID_CONFIG',
      );
    });
  }

  it('dials loopback addresses only of peers that have no other', () => {
    const loopback = multiaddr('/ip4/127.0.0.1/tcp/1');
    const lan = multiaddr('/ip4/192.168.1.7/tcp/1');
    assert.deepEqual(reachable([loopback, lan]), [lan]);
    assert.deepEqual(reachable([loopback]), [loopback]);
  });

  it('tries all addresses of a peer before it pauses, and pauses longer each round, a second at most', () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7, 8].map((failures) => retryPauseMs(failures, 2, 1, 0.5));
    assert.deepEqual(pauses, [0, 250, 0, 500, 0, 1_000, 0, 1_000]);
  });

  it('dials all missing peers together about twice a second, however many they are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 1e6 }),
        fc.integer({ min: 1, max: 512 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failures, missing, jitter) => {
          const pauseMs = retryPauseMs(failures, 1, missing, jitter);
          assert.ok(pauseMs >= 750 && pauseMs <= Math.max(1_250, missing * 625));
          assert.ok((missing * 1_000) / pauseMs < 2.7);
        },
      ),
    );
  });
});

describe('mesh/multicast', () => {
  it('asks nine times in ten seconds, then every minute, or every five seconds while alone', () => {
    const pauses = Array.from({ length: 9 }, (_, index) => questionPauseMs(index + 1, true, 0));
    assert.equal(
      pauses.reduce((sum, pause) => sum + pause, 0),
      10_000,
    );
    assert.equal(questionPauseMs(10, false, 0.5), 60_000);
    assert.equal(questionPauseMs(10, true, 0.5), 5_000);
  });

  it('spreads the rare questions, so that whoever asks first asks for all', () => {
    assert.equal(questionPauseMs(10, false, 0), 45_000);
    assert.equal(questionPauseMs(10, false, 1), 75_000);
  });

  it('lets another ask for it only where all of its keys are asked for', () => {
    const [one, other] = [{ tag: 'a'.repeat(16) }, { tag: 'b'.repeat(16) }];
    const names = (...keys: readonly { readonly tag: string }[]) => keys.map(({ tag }) => ({ name: serviceTag(tag) }));
    assert.ok(asksAll(names(one), [one]));
    assert.ok(asksAll(names(other, one), [one, other]));
    assert.ok(!asksAll(names(one), [one, other]));
    assert.ok(!asksAll(names(other), [one]));
  });

  it('has a service name of its own for every key, which says nothing of the mesh', () => {
    const [one, other] = [deriveKey(newSecret()), deriveKey(newSecret())];
    assert.match(serviceTag(one.tag), /^_tilemesh-[a-z2-7]{16}\._udp\.local$/);
    assert.notEqual(one.tag, other.tag);
  });
});
