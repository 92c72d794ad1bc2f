/** What the page is made of, how it is served, and what it follows. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { LiveFeed, type LiveSection } from '../../../src/api/live-feed.ts';
import { ASSETS, PAGE, readStaticFile } from '../../../src/api/routes/dashboard.ts';
import type { Api } from '../../../src/api/server.ts';
import { fakePeer, member, OTHER, startFakeApi, TOKEN } from '../../support/fake-peer.ts';
import { get } from '../../support/http-client.ts';

const MAX_BYTES = 100 * 1024;
const FOLDER = join(import.meta.dirname, '../../../web');
const OFTEN_MS = { peers: 5, requests: 5, models: 5, cards: 5 };

describe('The page', () => {
  it('is served as all the files of its folder, and no others', async () => {
    assert.deepEqual((await readdir(FOLDER)).sort(), [PAGE, ...ASSETS].sort());
  });

  it(`takes less than ${MAX_BYTES} bytes, compressed`, async () => {
    const files = await Promise.all([PAGE, ...ASSETS].map(readStaticFile));
    const bytes = files.reduce((sum, { compressed }) => sum + compressed.byteLength, 0);
    assert.ok(bytes > 0 && bytes < MAX_BYTES, `${bytes} bytes`);
  });

  it('needs nothing from outside, and makes no markup of text', async () => {
    for (const name of [PAGE, ...ASSETS]) {
      const text = new TextDecoder().decode((await readStaticFile(name)).bytes);
      const addresses = text.replaceAll('http://www.w3.org/2000/svg', '').match(/https?:\/\/[^\s'"]+/g);
      assert.equal(addresses, null, name);
      assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/, name);
      assert.doesNotMatch(text, /<style|\sstyle=|\son\w+=|<script(?![^>]*src=)/, name);
    }
  });

  describe('at a peer', () => {
    let api: Api | undefined;
    afterEach(() => api?.close());

    it('comes with a policy that lets it load from that peer alone, and once', async () => {
      api = await startFakeApi(fakePeer());
      const { status, headers, bytes } = await get(`${api.url}/`);
      assert.deepEqual([status, headers.get('content-type')], [200, 'text/html; charset=utf-8']);
      assert.match(headers.get('content-security-policy')!, /^default-src 'none'; script-src 'self'; style-src 'self'/);
      assert.doesNotMatch(headers.get('content-security-policy')!, /unsafe/);
      assert.match(bytes.toString(), /<title>tilemesh<\/title>/);
      const again = await get(`${api.url}/`, { 'if-none-match': headers.get('etag')! });
      assert.deepEqual([again.status, again.bytes.byteLength], [304, 0]);
      assert.equal((await get(`${api.url}/dashboard/..%2fpackage.json`)).status, 404);
    });

    it('may be had without the token, and what it shows may not', async () => {
      api = await startFakeApi(fakePeer(), { host: '0.0.0.0' });
      const url = `http://127.0.0.1:${api.port}`;
      assert.deepEqual(
        await Promise.all(
          ['/', '/dashboard/main.js', '/tilemesh/v1/live', '/nothing'].map(async (path) => {
            return (await get(`${url}${path}`)).status;
          }),
        ),
        [200, 200, 401, 401],
      );
    });

    it('follows the mesh over one stream', async () => {
      const peer = fakePeer({ members: [member(), member({ id: OTHER, name: '<b>', isSelf: false })] });
      api = await startFakeApi(peer, { host: '0.0.0.0' });
      const text = await new Promise<string>((resolve, reject) => {
        const url = `http://127.0.0.1:${api!.port}/tilemesh/v1/live`;
        const request = httpGet(url, { headers: { authorization: `Bearer ${TOKEN}` } }, (response) => {
          let heard = '';
          response.on('data', (chunk: Buffer) => {
            const isFirst = heard === '';
            heard += chunk.toString();
            if (isFirst) peer.insight.events.write({ kind: 'member-lost', peer: OTHER, name: '<b>', text: 'gone' });
            if (!['peers', 'requests', 'models', 'cards', 'event'].every((name) => heard.includes(`event: ${name}\n`)))
              return;
            request.destroy();
            resolve(heard);
          });
        });
        request.on('error', reject);
      });
      assert.match(text, /"name":"<b>","state":"alive"/);
      assert.match(text, /"kind":"member-lost"/);
    });
  });
});

describe('The live feed', () => {
  it('asks nobody anything while nobody watches, and once for all who do', async () => {
    let asked = 0;
    const cards = () => {
      asked += 1;
      return Promise.resolve([]);
    };
    const feed = new LiveFeed(fakePeer({ insight: { cards } }), { ...OFTEN_MS, cards: 3_600_000 });
    await setImmediate();
    assert.equal(asked, 0);
    const stops = [1, 2, 3].map(() => feed.watch(() => undefined));
    await setImmediate();
    assert.deepEqual([asked, feed.watchers], [1, 3]);
    for (const stop of stops) stop();
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.deepEqual([asked, feed.watchers], [1, 0]);
  });

  it('tells a section again only when it changed, and a later watcher what is known', async () => {
    let name = 'kitchen';
    const peer = fakePeer();
    const feed = new LiveFeed({ ...peer, members: () => [member({ name })] }, OFTEN_MS);
    const heard: string[] = [];
    const note = (section: LiveSection, document: string): void => {
      if (section === 'peers') heard.push(document);
    };
    const changed = async (count: number): Promise<void> => {
      while (heard.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const stop = feed.watch(note);
    await changed(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(heard.length, 1);
    name = 'garage';
    await changed(2);
    const stopLater = feed.watch(note);
    assert.equal(heard.length, 3);
    assert.match(heard[2]!, /garage/);
    stop();
    stopLater();
  });

  it('goes on with the rest where one section cannot be had', async () => {
    const cards = () => Promise.reject(new Error('nobody answers'));
    const feed = new LiveFeed(fakePeer({ insight: { cards } }), OFTEN_MS);
    const sections = new Set<string>();
    await new Promise<void>((resolve) => {
      const stop = feed.watch((section) => {
        sections.add(section);
        if (sections.size < 3) return;
        stop();
        resolve();
      });
    });
    assert.deepEqual([...sections].sort(), ['models', 'peers', 'requests']);
  });
});
