import assert from 'node:assert/strict';
import fc from 'fast-check';
import { asPeerId } from '../../../../src/core/ids.ts';
import {
  AnnouncementReader,
  AnnouncementWriter,
  decodeAnnouncement,
  encodeAnnouncement,
} from '../../../../src/mesh/announcement.ts';
import { keyOfToken, newToken, parseToken } from '../../../../src/mesh/trust/invitation.ts';
import {
  deriveKey,
  isEqual,
  newSecret,
  proof,
  seal,
  unseal,
  type Encounter,
} from '../../../../src/mesh/trust/mesh-key.ts';

const PEER = asPeerId('12D3KooWQoDcuEP5bzjqQWP7eAjpzzpXqb37HS6XEBuVUZRDxCBR');
const OTHER = asPeerId('12D3KooWMt1JrkK2s46za4xrkswS1CytHuLSfjPYMC4fzEiJYgSB');

describe('mesh/trust/mesh-key', () => {
  const key = deriveKey(newSecret());
  const encounter: Encounter = {
    dialler: PEER,
    listener: OTHER,
    diallerNonce: new Uint8Array(32).fill(1),
    listenerNonce: new Uint8Array(32).fill(2),
  };

  it('is the same for the same secret, and another for any other', () => {
    const secret = newSecret();
    assert.deepEqual(deriveKey(secret), deriveKey(secret));
    for (const field of ['tag', 'proving', 'sealing'] as const) {
      assert.notDeepEqual(deriveKey(secret)[field], key[field]);
    }
    assert.notDeepEqual(key.proving, key.sealing);
  });

  it('proves one side of one encounter and no other', () => {
    const mine = proof(key, 'dialler', encounter);
    assert.ok(isEqual(mine, proof(key, 'dialler', { ...encounter })));
    const others = [
      proof(key, 'listener', encounter),
      proof(deriveKey(newSecret()), 'dialler', encounter),
      proof(key, 'dialler', { ...encounter, dialler: OTHER, listener: PEER }),
      proof(key, 'dialler', { ...encounter, listener: PEER }),
      proof(key, 'dialler', { ...encounter, diallerNonce: new Uint8Array(32) }),
      proof(key, 'dialler', { ...encounter, listenerNonce: new Uint8Array(32) }),
    ];
    for (const other of others) assert.ok(!isEqual(mine, other));
    assert.ok(!isEqual(mine, mine.subarray(1)));
  });

  it('opens what was sealed with it, and nothing that was altered in any byte', () => {
    const sealed = seal(key, Uint8Array.of(1, 2, 3));
    assert.deepEqual(unseal(key, sealed), Uint8Array.of(1, 2, 3));
    for (let index = 0; index < sealed.byteLength; index++) {
      const altered = sealed.slice();
      altered[index]! ^= 1;
      assert.equal(unseal(key, altered), null);
    }
    assert.equal(unseal(deriveKey(newSecret()), sealed), null);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => unseal(key, bytes) === null));
  });

  describe('announcements', () => {
    const addresses = ['/ip4/192.168.1.7/tcp/4001', '/ip4/10.0.0.7/tcp/4001'];

    it('are read by members, and by nobody else', () => {
      const strings = encodeAnnouncement(key, PEER, addresses);
      const found = decodeAnnouncement(key, strings);
      assert.equal(found?.peer, PEER);
      assert.deepEqual(found.addresses.map(String), addresses);
      assert.equal(decodeAnnouncement(deriveKey(newSecret()), strings), null);
      const text = Buffer.concat(strings).toString('latin1');
      for (const secret of [PEER, '192.168', '4001']) assert.ok(!text.includes(secret));
    });

    it('name no more addresses than are kept, in strings that a record can hold', () => {
      const many = Array.from({ length: 100 }, (_, index) => `/ip4/10.0.0.${index}/tcp/4001`);
      const strings = encodeAnnouncement(key, PEER, [...many, `/dns4/${'a'.repeat(200)}/tcp/1`]);
      assert.equal(decodeAnnouncement(key, strings)?.addresses.length, 16);
      for (const string of strings) assert.ok(string.byteLength <= 255);
    });

    it('stay the same bytes while they are true, and are opened once', () => {
      const writer = new AnnouncementWriter();
      const reader = new AnnouncementReader();
      const strings = writer.write(key, PEER, addresses);
      const found = reader.read(key, 'one', strings);
      assert.deepEqual(found?.addresses.map(String), addresses);
      assert.equal(reader.read(key, 'one', writer.write(key, PEER, addresses)), found);
      const moved = writer.write(key, PEER, addresses.slice(1));
      assert.deepEqual(reader.read(key, 'one', moved)?.addresses.map(String), addresses.slice(1));
      const other = deriveKey(newSecret());
      assert.equal(reader.read(other, 'one', moved), null);
      assert.equal(reader.read(other, 'one', writer.write(other, PEER, addresses))?.peer, PEER);
    });

    it('of members that make no sense are dropped', () => {
      for (const text of ['', 'x', `${PEER}\nnowhere`, `${PEER}${'\n/ip4/10.0.0.1/tcp/1'.repeat(17)}`]) {
        assert.equal(decodeAnnouncement(key, [seal(key, Buffer.from(text))]), null);
      }
      assert.equal(decodeAnnouncement(key, [new Uint8Array(1 << 16)]), null);
    });
  });
});

describe('mesh/trust/invitation', () => {
  it('is twelve letters and digits that are not mistaken for others, and never the same', () => {
    const tokens = Array.from({ length: 200 }, newToken);
    assert.equal(new Set(tokens).size, tokens.length);
    for (const token of tokens) assert.match(token, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}$/);
  });

  it('is read however it is typed', () => {
    for (const typed of ['7K2M-9QXD-R4TW', ' 7k2m 9qxd r4tw', '7k2m9qxdr4tw']) {
      assert.equal(parseToken(typed), '7K2M-9QXD-R4TW');
    }
    assert.equal(parseToken('oOiI-lL00-1111'), '0011-1100-1111');
    for (const typed of ['', '7K2M-9QXD', '7K2M-9QXD-R4TU', '7K2M-9QXD-R4TW-0000', 'ÄÄÄÄÄÄÄÄÄÄÄÄ']) {
      assert.throws(() => parseToken(typed), { code: 'INVALID_ARGUMENT' });
    }
  });

  it('makes the same key everywhere', () => {
    assert.deepEqual(keyOfToken('7K2M-9QXD-R4TW'), keyOfToken('7K2M-9QXD-R4TW'));
    assert.notDeepEqual(keyOfToken('7K2M-9QXD-R4TW'), keyOfToken('7K2M-9QXD-R4TX'));
  });
});
