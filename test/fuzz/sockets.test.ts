/**
 * Whole requests that are damaged on purpose, over sockets to a server: every one is answered with a status that blames the
 * client, or understood. A hundredth of TILEMESH_FUZZ_RUNS, of the seed TILEMESH_FUZZ_SEED.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { Api } from '../../src/api/server.ts';
import { randomOf } from '../property/random.ts';
import { fakePeer, startFakeApi, TOKEN } from '../support/fake-peer.ts';
import { RUNS, SEED } from './engine/amount.ts';
import { mutated } from './engine/mutations.ts';

const SOCKET_SHARE = 100;
/** A request without an end is given up by the client. */
const PATIENCE_MS = 300;

const small = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}';

const requestOf = (path: string, type: string, content: string): Buffer =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: ${type}\r\n` +
      `Authorization: Bearer ${TOKEN}\r\n` +
      `Content-Length: ${content.length}\r\n\r\n${content}`,
  );
const REQUESTS = [
  requestOf('/v2/models/double/infer', 'application/json', small),
  requestOf('/tilemesh/v1/models/double/run?parallelism=2&requestId=' + 'ab'.repeat(16), 'text/plain', 'hello there'),
  requestOf('/tilemesh/v1/models?name=new&task=tensors&graphBytes=10', 'application/octet-stream', 'x'.repeat(40)),
  requestOf('/v2/models/double/classify', 'application/json', '{"inputs":"aGVsbG8=","parameters":{"top_k":3}}'),
  requestOf('/v2/repository/index', 'application/json', '{"ready":true}'),
  requestOf('/v2/repository/models/new/load', 'application/json', '{"parameters":{"file:1/model.onnx":"aGVsbG8="}}'),
  requestOf('/tilemesh/v1/admin/ban', 'application/json', '{"peer":"12D3KooWOther"}'),
  Buffer.from('GET /tilemesh/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'),
];

describe('HTTP requests that are damaged on purpose', function () {
  this.timeout(300_000 + RUNS * 20);

  let api: Api;

  before(async () => {
    api = await startFakeApi(fakePeer());
  });

  after(async () => {
    await api.close();
  });

  /** The status, or undefined where the request had no end or the server hung up. */
  const exchange = (bytes: Uint8Array): Promise<number | undefined> =>
    new Promise((resolve) => {
      const socket = connect(api.port, '127.0.0.1');
      let answer = '';
      const done = (): void => {
        socket.destroy();
        resolve(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] === undefined ? undefined : Number(answer.slice(9, 12)));
      };
      socket.setTimeout(PATIENCE_MS, done);
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
      socket.on('error', done);
      socket.on('close', done);
      socket.end(bytes);
    });

  it(`whole requests: no failure of the server, ${Math.ceil(RUNS / SOCKET_SHARE)} of seed ${SEED}`, async () => {
    const seen = new Map<number | undefined, number>();
    for (let run = 0; run < RUNS / SOCKET_SHARE; run++) {
      const random = randomOf(SEED + run);
      const status = await exchange(
        mutated(random.pick(REQUESTS), random, { words: [], other: () => random.pick(REQUESTS) }),
      );
      seen.set(status, (seen.get(status) ?? 0) + 1);
      const isFault = status !== undefined && status >= 500 && status !== 503;
      assert.ok(!isFault, `request ${run} of seed ${SEED} was answered with ${status}`);
    }
    assert.ok((seen.get(400) ?? 0) > 0 && (seen.get(200) ?? 0) > 0, JSON.stringify([...seen]));
    assert.equal(await exchange(REQUESTS[0]!), 200);
    assert.equal(api.active, 0);
  });
});
