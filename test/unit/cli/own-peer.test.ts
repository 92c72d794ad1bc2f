/** The peer that this user started: its token is found wherever it keeps its data, and what is said of starting it fits. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replaceApiToken } from '../../../src/api/token.ts';
import { UnreachableError } from '../../../src/cli/exit.ts';
import { ownPeerFolder, rememberOwnPeer } from '../../../src/cli/own-peers.ts';
import { asInstalled, howToJoin, howToStart } from '../../../src/cli/service.ts';
import { tokenFor } from '../../../src/cli/token.ts';

const URL_HERE = new URL('http://127.0.0.1:8471');

describe('the peer that this user started', () => {
  let home: string;
  const { HOME } = process.env;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'tilemesh-home-'));
    process.env.HOME = home;
  });
  afterEach(async () => {
    if (HOME === undefined) delete process.env.HOME;
    else process.env.HOME = HOME;
    await rm(home, { recursive: true });
  });

  it('is found by its port, by whichever name of this machine, and by nobody else', async () => {
    await rememberOwnPeer(URL_HERE, '/data', home);
    assert.equal(await ownPeerFolder(URL_HERE, home), '/data');
    assert.equal(await ownPeerFolder(new URL('http://localhost:8471'), home), '/data');
    assert.equal(await ownPeerFolder(new URL('http://127.0.0.1:8470'), home), null);
    assert.equal(await ownPeerFolder(new URL('http://board-7:8471'), home), null);
    assert.equal((await stat(join(home, '.tilemesh/.peers/8471'))).mode & 0o077, 0);
  });

  it('has its token shown to it, and no token is shown to another machine', async () => {
    const data = join(home, 'elsewhere');
    const token = await replaceApiToken(data);
    assert.equal(await tokenFor(URL_HERE, {}), undefined);
    await rememberOwnPeer(URL_HERE, data);
    assert.equal(await tokenFor(URL_HERE, {}), token);
    assert.equal(await tokenFor(new URL('http://board-7:8471'), {}), undefined);
  });

  it('is asked with the token of the folder that the environment names, before any other', async () => {
    const named = join(home, 'named');
    const token = await replaceApiToken(named);
    await rememberOwnPeer(URL_HERE, join(home, 'other'));
    assert.equal(await tokenFor(URL_HERE, { TILEMESH_DATA: named }), token);
    assert.equal(await tokenFor(URL_HERE, { TILEMESH_DATA: named, TILEMESH_API_TOKEN: 'mine' }), 'mine');
  });

  it('starts although its home folder takes no file', async () => {
    await writeFile(join(home, '.tilemesh'), 'a file');
    await rememberOwnPeer(URL_HERE, '/data', home);
    assert.equal(await readFile(join(home, '.tilemesh'), 'utf8'), 'a file');
  });

  it('is started by the service of the machine, where there is one', () => {
    assert.equal(howToStart({}), 'npx tilemesh up');
    assert.equal(howToStart({ TILEMESH_SERVICE: '' }), 'npx tilemesh up');
    assert.equal(howToStart({ TILEMESH_SERVICE: 'tilemesh.service' }), 'sudo systemctl start tilemesh.service');
    assert.deepEqual(howToJoin('A-B', {}), ['npx tilemesh join A-B', 'npx tilemesh up']);
    assert.deepEqual(howToJoin('A-B', { TILEMESH_SERVICE: 'tilemesh.service' }), ['sudo tilemesh join A-B']);
    const text = 'npx tilemesh invite, npx tilemesh peers, npx tilemesh peer ban ID';
    assert.equal(asInstalled(text, {}), text);
    const installed = asInstalled(text, { TILEMESH_SERVICE: 'tilemesh.service' });
    assert.equal(installed, 'sudo tilemesh invite, tilemesh peers, sudo tilemesh peer ban ID');
    assert.match(new UnreachableError('http://x', undefined).message, /start one with "npx tilemesh up"/);
  });
});
