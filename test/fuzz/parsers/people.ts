/** What people type, configure and are shown, and what lets a peer in. */
import { createPrivateKey, sign } from 'node:crypto';
import { clean, displayWidth } from '../../../src/cli/text.ts';
import { readEnvironment, VARIABLES } from '../../../src/config/environment.ts';
import { validate } from '../../../src/config/schema.ts';
import { decodeAnnouncement, encodeAnnouncement } from '../../../src/mesh/announcement.ts';
import { newAdminKey, openCharter, signCharter, type SignedCharter } from '../../../src/mesh/trust/charter.ts';
import { decodeGrant, encodeGrant } from '../../../src/mesh/trust/grant.ts';
import { parseToken } from '../../../src/mesh/trust/invitation.ts';
import { deriveKey, seal } from '../../../src/mesh/trust/mesh-key.ts';
import type { Parser } from '../engine/parser.ts';
import { JSON_WORDS, json, OTHER_PEER, PEER, text } from './samples.ts';

const encode = (value: string): Uint8Array => new TextEncoder().encode(value);

const admin = newAdminKey();
const adminKey = createPrivateKey({ key: Buffer.from(admin.privateKey, 'hex'), type: 'pkcs8', format: 'der' });
const charter = signCharter(
  {
    serial: 2,
    mesh: 'home',
    level: 'pinned',
    keys: [{ secret: 'ab'.repeat(32), retiredAtMs: null }],
    banned: [{ peer: OTHER_PEER, sinceMs: 1.7e12 }],
    trusted: [PEER],
  },
  admin,
);
const signed = (document: string): SignedCharter => ({
  document,
  signature: sign(null, Buffer.from(`tilemesh charter 1\n${document}`), adminKey).toString('hex'),
});

const key = deriveKey(new Uint8Array(32));
const ANNOUNCED = encode([PEER, '/ip4/10.0.0.1/tcp/4001', '/ip6/fe80::1/tcp/4001'].join('\n'));
const [SEALED = Buffer.alloc(0)] = encodeAnnouncement(key, PEER, ['/ip4/10.0.0.1/tcp/4001']);

/** Nothing that moves a cursor, colours or hides may be left of a name. */
function checkedShown(bytes: Uint8Array): string {
  const shown = clean(text(bytes));
  // eslint-disable-next-line no-control-regex -- what must not be there
  if (/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/.test(shown)) {
    throw new Error(`${JSON.stringify(shown)} could move the cursor`);
  }
  displayWidth(shown);
  return shown;
}

/** Or what is wrong with it, in a message that does not repeat a secret. */
function configuration(bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text(bytes));
  } catch {
    return null;
  }
  return validate(value, 'the test');
}

function environment(bytes: Uint8Array): unknown {
  const [name = '', value = ''] = text(bytes).split('=', 2);
  return readEnvironment({ [name]: value }).map((set) => validate(set.value, set.name));
}

export const PEOPLE: readonly Parser[] = [
  {
    name: 'token',
    seeds: () => ['7K2M-9QXD-R4TW', '7k2m 9qxd r4tw'].map(encode),
    parse: (bytes) => parseToken(text(bytes)),
    refusals: ['INVALID_ARGUMENT'],
  },
  {
    name: 'charter',
    seeds: () => [encode(charter.document)],
    // As its administrator would sign it.
    parse: (bytes) => openCharter(signed(text(bytes)), admin.publicKey),
    refusals: ['INVALID_MESSAGE'],
    words: JSON_WORDS,
    share: 0.2,
  },
  {
    name: 'grant',
    seeds: () => [encodeGrant({ charter, adminPublicKey: admin.publicKey, adminPrivateKey: admin.privateKey })],
    parse: (bytes) => {
      const grant = decodeGrant(bytes);
      return [grant, openCharter(grant.charter, grant.adminPublicKey)];
    },
    refusals: ['INVALID_MESSAGE'],
    words: JSON_WORDS,
  },
  {
    name: 'announcement',
    seeds: () => [ANNOUNCED],
    // As a member would seal it.
    parse: (bytes) => decodeAnnouncement(key, [seal(key, bytes)]),
    refusals: [],
    words: ['/ip4/', '/ip6/', '/tcp/', '/dns4/', '/p2p/', '/ip6zone/', '/unix/', '/http-path/', '%2f', '\n', '::'],
    maxBytes: 2048,
    share: 0.5,
  },
  {
    name: 'announcement-sealed',
    seeds: () => [new Uint8Array(SEALED)],
    parse: (bytes) => decodeAnnouncement(key, [bytes]),
    refusals: [],
    maxBytes: 4096,
  },
  {
    name: 'configuration',
    seeds: () => [
      json({
        name: 'kitchen',
        mesh: 'home',
        membership: { level: 'pinned', secret: 'sixteen letters!' },
        api: { host: '127.0.0.1', port: 8470, grpcPort: 'off' },
        listen: { port: 0, addresses: ['10.0.0.1'] },
        discovery: { mdns: true, bootstrap: ['10.0.0.2:4001', '/dns4/x/tcp/1'] },
        kernel: { name: 'auto', lanes: 1 },
        verify: { share: 0.01 },
      }),
    ],
    parse: configuration,
    refusals: ['INVALID_CONFIG'],
    words: JSON_WORDS,
    // Every mistake is told, each with the setting most like it: of what a file of settings may have.
    maxBytes: 4096,
    ownBytes: 4 * 2 ** 20,
  },
  {
    name: 'environment',
    seeds: () =>
      [
        'TILEMESH_API=[::1]:8470',
        'TILEMESH_BOOTSTRAP=10.0.0.2:4001, /dns4/x/tcp/1',
        'TILEMESH_MDNS=true',
        'TILEMESH_MEMORY_BYTES=1e9',
      ].map(encode),
    parse: environment,
    refusals: ['INVALID_CONFIG'],
    words: Object.keys(VARIABLES).map((name) => `${name}=`),
  },
  {
    name: 'shown-text',
    seeds: () => ['kitchen', '\u001b[2Jkit\u202echen', '\u009b31m\u001b]8;;http://x\u0007y'].map(encode),
    parse: checkedShown,
    refusals: [],
    words: ['\u001b[', '\u001b]', '\u009b', '\u0007', '\u202e', '\u200b', '\ud83d\ude00', 'm'],
  },
];
