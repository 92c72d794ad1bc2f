import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asPeerId } from '../../../../src/core/ids.ts';
import { newAdminKey, openCharter, signCharter, type Charter } from '../../../../src/mesh/trust/charter.ts';
import { decodeGrant } from '../../../../src/mesh/trust/grant.ts';
import { Identities } from '../../../support/trusting.ts';

const identities = new Identities();
const someone = asPeerId('12D3KooWQoDcuEP5bzjqQWP7eAjpzzpXqb37HS6XEBuVUZRDxCBR');
const DAY_MS = 24 * 60 * 60 * 1000;
const isForbidden = { code: 'FORBIDDEN' };

describe('mesh/trust', () => {
  afterEach(() => identities.clear());

  it('keeps what it knows for this user alone, and knows it again after a restart', async () => {
    const founder = await identities.founder();
    await founder.trust.ban(someone);
    await founder.trust.close();
    const again = await identities.again(founder);
    assert.deepEqual(again.trust.view(), founder.trust.view());
    assert.deepEqual(again.trust.keys(), founder.trust.keys());
    assert.equal((await stat(join(founder.folder, 'membership.json'))).mode & 0o777, 0o600);
  });

  it('says what to do with a damaged file', async () => {
    const founder = await identities.founder();
    await founder.trust.close();
    await writeFile(join(founder.folder, 'membership.json'), '{');
    await assert.rejects(identities.again(founder), /membership\.json cannot be used.*join the mesh again/);
  });

  it('believes no charter that was altered, or that somebody else has signed', async () => {
    const founder = await identities.founder();
    const { charter } = JSON.parse(await readFile(join(founder.folder, 'membership.json'), 'utf8')) as {
      readonly charter: { readonly document: string; readonly signature: string };
    };
    const altered = {
      ...charter,
      document: charter.document.replace('"banned":[]', `"banned":[{"peer":"${someone}","sinceMs":1}]`),
    };
    const admin = newAdminKey();
    assert.notEqual(altered.document, charter.document);
    const member = await identities.member(founder);
    assert.throws(() => member.trust.receive(altered), { code: 'INVALID_MESSAGE' });
    // Nor can anybody else than the administrator sign one.
    const forged = signCharter({ ...(JSON.parse(charter.document) as Charter), serial: 99 }, admin);
    assert.throws(() => member.trust.receive(forged), { code: 'INVALID_MESSAGE' });
    assert.ok(!member.trust.isBanned(someone));
  });

  it('goes by the newest charter, whatever the order in which they come', async () => {
    const founder = await identities.founder();
    const member = await identities.member(founder);
    const first = founder.trust.signed!;
    await founder.trust.ban(someone);
    assert.equal(member.trust.receive(founder.trust.signed!), true);
    assert.equal(member.trust.receive(founder.trust.signed!), false);
    assert.equal(member.trust.receive(first), false);
    assert.ok(member.trust.isBanned(someone));
  });

  it('lets only an administrator change anything, and another one where the right was handed on', async () => {
    const founder = await identities.founder();
    const member = await identities.member(founder);
    for (const change of [
      () => member.trust.ban(someone),
      () => member.trust.trust(someone),
      () => member.trust.rotate(),
      () => member.trust.setLevel('open'),
    ]) {
      await assert.rejects(change(), isForbidden);
    }
    assert.throws(() => member.trust.invite(true), isForbidden);
    const deputy = await identities.member(founder, { withAdmin: true });
    await deputy.trust.ban(someone);
    assert.equal(founder.trust.receive(deputy.trust.signed!), true);
    assert.ok(founder.trust.isBanned(someone));
  });

  it('replaces the key when it bans, and lets nobody new in with the old one', async () => {
    const founder = await identities.founder();
    const [old] = founder.trust.keys();
    founder.trust.checkMember(someone, old!);
    await founder.trust.ban(asPeerId('12D3KooWMt1JrkK2s46za4xrkswS1CytHuLSfjPYMC4fzEiJYgSB'));
    founder.trust.checkMember(someone, old!);
    const stranger = asPeerId('12D3KooWFRcaTnsUC77Rjg2knUTijgj6mGasUsPgf8q3QdPQ8yYz');
    assert.throws(() => founder.trust.checkMember(stranger, old!), isForbidden);
    founder.trust.checkMember(stranger, founder.trust.keys()[0]!);
  });

  it('forgets an old key after a week', async () => {
    let nowMs = Date.now();
    const founder = await identities.founder({ now: () => nowMs });
    await founder.trust.rotate();
    assert.equal(founder.trust.keys().length, 2);
    nowMs += 8 * DAY_MS;
    assert.equal(founder.trust.keys().length, 1);
  });

  it('takes an invitation once, within an hour, and gives out few at a time', async () => {
    let nowMs = Date.now();
    const founder = await identities.founder({ now: () => nowMs });
    founder.trust.invite();
    const key = founder.trust.keys().at(-1)!;
    assert.throws(() => founder.trust.checkMember(someone, key), isForbidden);
    assert.equal(decodeGrant(founder.trust.redeem(key)!).adminPrivateKey, null);
    assert.equal(founder.trust.redeem(key), undefined);

    founder.trust.invite();
    const late = founder.trust.keys().at(-1)!;
    nowMs += 3_600_000;
    assert.ok(!founder.trust.keys().includes(late));
    for (let count = 0; count < 8; count++) founder.trust.invite();
    assert.throws(() => founder.trust.invite(), { code: 'OVERLOADED' });
  });

  it('with a configured secret is the same everywhere, and keeps bans of its own', async () => {
    const secret = 'the same on all boards';
    const [one, other] = [await identities.stranger({ secret }), await identities.stranger({ secret })];
    assert.deepEqual(one.trust.keys(), other.trust.keys());
    assert.notDeepEqual(one.trust.keys(), (await identities.stranger({ secret: `${secret}!` })).trust.keys());
    assert.throws(() => one.trust.invite(), { code: 'CONFLICT' });
    await one.trust.ban(someone);
    assert.ok((await identities.again(one, { secret })).trust.isBanned(someone));
    assert.ok(!other.trust.isBanned(someone));
    assert.equal(one.trust.signed, null);
  });

  it('at the level pinned approves identities, those met before the level was raised among them', async () => {
    const founder = await identities.founder();
    const [key] = founder.trust.keys();
    founder.trust.checkMember(someone, key!);
    await founder.trust.setLevel('pinned');
    founder.trust.checkMember(someone, key!);
    const applicant = asPeerId('12D3KooWFRcaTnsUC77Rjg2knUTijgj6mGasUsPgf8q3QdPQ8yYz');
    assert.throws(() => founder.trust.checkMember(applicant, key!), isForbidden);
    await founder.trust.trust(applicant);
    founder.trust.checkMember(applicant, key!);
    await founder.trust.ban(applicant);
    assert.throws(() => founder.trust.checkIdentity(applicant), isForbidden);
    await assert.rejects(founder.trust.trust(applicant), { code: 'CONFLICT' });
  });

  it('reads no charter beyond its limits', () => {
    const admin = newAdminKey();
    const charter: Charter = {
      serial: 1,
      mesh: 'a',
      level: 'secret',
      keys: [{ secret: '0'.repeat(64), retiredAtMs: null }],
      banned: [],
      trusted: [],
    };
    openCharter(signCharter(charter, admin), admin.publicKey);
    const wrong: readonly Charter[] = [
      { ...charter, serial: 0 },
      { ...charter, mesh: '../x' },
      { ...charter, keys: [] },
      { ...charter, keys: [{ secret: '0', retiredAtMs: null }] },
      { ...charter, trusted: ['' as never] },
    ];
    for (const bad of wrong) {
      assert.throws(() => openCharter(signCharter(bad, admin), admin.publicKey), { code: 'INVALID_MESSAGE' });
    }
    const trusted = Array.from({ length: 1025 }, () => someone);
    assert.throws(() => signCharter({ ...charter, trusted }, admin), { code: 'PAYLOAD_TOO_LARGE' });
  });
});
