import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { asPeerId, type PeerId } from '../../../src/core/ids.ts';
import { createRoundTrips } from '../../../src/mesh/round-trips.ts';

const somePeer = async (): Promise<PeerId> =>
  asPeerId(peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString());

describe('mesh/round-trips', () => {
  it('measures a peer once in a while, and forgets those no longer asked for', async () => {
    const [near, far] = [await somePeer(), await somePeer()];
    const pinged: string[] = [];
    const roundTrips = createRoundTrips({
      ping: (peer) => {
        pinged.push(String(peer));
        return Promise.resolve(7);
      },
    });
    assert.equal(roundTrips.of(near), null);
    for (let n = 0; n < 3; n++) {
      roundTrips.measure([near, far]);
      await setImmediate();
    }
    assert.deepEqual(pinged, [near, far]);
    assert.equal(roundTrips.of(near), 7);
    roundTrips.measure([far]);
    assert.deepEqual([roundTrips.of(near), roundTrips.of(far)], [null, 7]);
  });

  it('takes a ping that fails for nothing', async () => {
    const peer = await somePeer();
    const roundTrips = createRoundTrips({ ping: () => Promise.reject(new Error('no answer')) });
    roundTrips.measure([peer]);
    await setImmediate();
    assert.equal(roundTrips.of(peer), null);
  });
});
