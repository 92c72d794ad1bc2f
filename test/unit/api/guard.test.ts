import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API_LIMITS } from '../../../src/api/limits.ts';
import { ADMIN_PATH } from '../../../src/api/guard.ts';
import type { Api, ApiOptions } from '../../../src/api/server.ts';
import { isSameToken, loadApiToken, readApiToken, replaceApiToken } from '../../../src/api/token.ts';
import { fakePeer, OTHER, startFakeApi, TOKEN, type FakePeer } from '../../support/fake-peer.ts';

let apis: Api[] = [];

async function serve(overrides: Partial<ApiOptions> = {}, peer: FakePeer = fakePeer()): Promise<Api> {
  const api = await startFakeApi(peer, overrides);
  apis.push(api);
  return api;
}

/** Status of a request to this machine, whatever address the API is bound to. */
const ask = async ({ port }: Api, path: string, init: RequestInit = {}): Promise<number> =>
  (await fetch(`http://127.0.0.1:${port}${path}`, init)).status;

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('api/guard', () => {
  afterEach(async () => {
    await Promise.all(apis.map((api) => api.close()));
    apis = [];
  });

  const PATHS = ['/tilemesh/v1/peers', '/v2/health/live', '/v2/models/double', '/none'];

  it('asks programs for the token when it can be reached from other machines, whatever they ask', async () => {
    const api = await serve({ host: '0.0.0.0' });
    for (const path of PATHS) {
      assert.equal(await ask(api, path), 401, path);
      assert.equal(await ask(api, path, { headers: bearer('wrong') }), 401, path);
      assert.equal(await ask(api, path, { headers: { authorization: `Basic ${TOKEN}` } }), 401, path);
      assert.notEqual(await ask(api, path, { headers: bearer(TOKEN) }), 401, path);
    }
    const response = await fetch(`http://127.0.0.1:${api.port}/tilemesh/v1/peers`);
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer/);
    assert.match(((await response.json()) as { readonly error: string }).error, /"npx tilemesh token"/);
  });

  it('asks programs of this machine for the token only where members are changed, however that is spelled', async () => {
    const peer = fakePeer();
    const api = await serve({}, peer);
    for (const path of PATHS) assert.notEqual(await ask(api, path), 401, path);
    const body = JSON.stringify({ peer: OTHER });
    const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } };
    for (const path of [`${ADMIN_PATH}ban`, '/tilemesh/v1/%61dmin/ban', '//tilemesh/v1/admin/ban']) {
      assert.ok([401, 404].includes(await ask(api, path, init)), path);
    }
    assert.deepEqual(peer.membership.view().banned, []);
    const known = fakePeer({ members: [] });
    const other = await serve({}, known);
    const id = '12D3KooWQoDcuEP5bzjqQWP7eAjpzzpXqb37HS6XEBuVUZRDxCBR';
    const full = { ...init, body: JSON.stringify({ peer: id }), headers: { ...init.headers, ...bearer(TOKEN) } };
    assert.equal(await ask(other, `${ADMIN_PATH}ban`, full), 200);
    assert.deepEqual(known.membership.view().banned, [id]);
    assert.equal(await ask(other, `${ADMIN_PATH}trust`, { ...full, body: '{"peer":"../../x"}' }), 400);
  });

  it('lets one address ask so often and no more, and again after a pause', async () => {
    const api = await serve({ limits: { ...API_LIMITS, requestBurst: 3, requestsPerSecond: 5 } });
    const statuses: number[] = [];
    for (let index = 0; index < 6; index++) statuses.push(await ask(api, '/v2/health/live'));
    assert.deepEqual(statuses.slice(0, 3), [200, 200, 200]);
    assert.ok(statuses.includes(429), String(statuses));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.equal(await ask(api, '/v2/health/live'), 200);
  });

  it('lets one address have so many requests under way and no more', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const arrived = Promise.withResolvers<undefined>();
    let waiting = 0;
    const beforeAnswer = (): Promise<undefined> => {
      if (++waiting === 2) arrived.resolve(undefined);
      return promise;
    };
    const api = await serve({ limits: { ...API_LIMITS, requestsInFlight: 2 } }, fakePeer({ beforeAnswer }));
    const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4] }] });
    const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } };
    const under = [1, 2].map(() => ask(api, '/v2/models/double/infer', init));
    await arrived.promise;
    assert.equal(await ask(api, '/v2/health/live'), 429);
    resolve(undefined);
    assert.deepEqual(await Promise.all(under), [200, 200]);
    assert.equal(await ask(api, '/v2/health/live'), 200);
  });

  it('refuses inference for want of a place before it reads any of it, like any other answer, and goes on', async () => {
    let isFull = true;
    const details = { retryAfterMs: 2_400, waiting: 64, running: 4 };
    const failure = { code: 'OVERLOADED', message: 'full: try again', details } as const;
    const peer = fakePeer({ refusal: (client) => (isFull && client === '127.0.0.1' ? failure : undefined) });
    const { url } = await serve({}, peer);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const post = (path: string, body: string | null): Promise<http.IncomingMessage & { readonly text: string }> =>
      new Promise((resolve, reject) => {
        const headers = { 'x-request-id': 'mine', 'content-type': 'application/json' };
        const length = body === null ? { 'content-length': 50_000_000 } : {};
        const request = http.request(`${url}${path}`, { method: 'POST', agent, headers: { ...headers, ...length } });
        request.on('error', reject);
        request.on('response', (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve(Object.assign(response, { text })));
        });
        if (body === null) request.flushHeaders();
        else request.end(body);
      });
    try {
      const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4] }] });
      for (const path of ['/v2/models/double/infer', '/v2/models/double/classify', '/tilemesh/v1/models/double/run']) {
        const { statusCode, headers, text } = await post(path, body);
        assert.equal(statusCode, 503, path);
        assert.deepEqual(JSON.parse(text), { error: failure.message, code: failure.code, details });
        assert.deepEqual([headers['retry-after'], headers['x-request-id']], ['3', 'mine']);
        assert.match(headers.traceparent as string, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      }
      assert.equal(peer.requests.length, 0);
      isFull = false;
      assert.equal((await post('/v2/models/double/infer', body)).statusCode, 200, 'over the same connection');
      isFull = true;
      assert.equal((await post('/v2/models/double/infer', null)).statusCode, 503, 'though its body never comes');
    } finally {
      agent.destroy();
    }
  });

  it('keeps its token for this user alone, the same until it is replaced', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-token-'));
    try {
      assert.equal(await readApiToken(folder), null);
      const token = await loadApiToken(folder, '');
      assert.match(token, /^[\w-]{32}$/);
      assert.equal(await loadApiToken(folder, ''), token);
      assert.equal(await loadApiToken(folder, 'configured'), 'configured');
      assert.equal((await stat(join(folder, 'api.token'))).mode & 0o777, 0o600);
      const next = await replaceApiToken(folder);
      assert.ok(!isSameToken(next, token));
      assert.equal(await readApiToken(folder), next);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
