/**
 * Damaged requests to the HTTP surface: bodies of the Open Inference Protocol to their parser, whole requests over sockets to
 * a server. Every one is answered with a status that blames the client, or understood. The number of bodies is set by
 * TILEMESH_FUZZ_RUNS, their seed by TILEMESH_FUZZ_SEED; a hundredth as many go over sockets.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { isByteStrings, joinElements, type Value } from '../../../src/api/open-inference/values.ts';
import { parseInferRequest } from '../../../src/api/open-inference/request.ts';
import type { Api } from '../../../src/api/server.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { randomOf } from '../../property/random.ts';
import { fakePeer, startFakeApi } from '../../support/fake-peer.ts';
import { Progress } from '../../support/progress.ts';
import { mutated } from '../onnx-fuzz/mutations.ts';

const RUNS = Number(process.env.TILEMESH_FUZZ_RUNS ?? 50_000);
const SEED = Number(process.env.TILEMESH_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const SOCKET_SHARE = 100;
const MAX_JSON_BYTES = 2 ** 20;
/** A request without an end is given up by the client. */
const PATIENCE_MS = 300;
const CLIENTS_FAULT = ['INVALID_INPUT', 'INVALID_ARGUMENT', 'PAYLOAD_TOO_LARGE'];

const document = JSON.stringify({
  id: 'ab'.repeat(16),
  parameters: { parallelism: 2, deadline_ms: 1000, binary_data_output: true },
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2.5, -3, 4e3] },
    { name: 'y', datatype: 'INT64', shape: [2], parameters: { binary_data_size: 16 } },
  ],
  outputs: [{ name: 'z', parameters: { binary_data: true } }],
});
const body = Buffer.concat([Buffer.from(document), Buffer.alloc(16, 1)]);
const small = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}';

const requestOf = (path: string, type: string, content: string): Buffer =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: ${type}\r\n` +
      `Content-Length: ${content.length}\r\n\r\n${content}`,
  );
const REQUESTS = [
  requestOf('/v2/models/double/infer', 'application/json', small),
  requestOf('/tilemesh/v1/models/double/run?parallelism=2&requestId=' + 'ab'.repeat(16), 'text/plain', 'hello there'),
  requestOf('/tilemesh/v1/models?name=new&task=tensors&graphBytes=10', 'application/octet-stream', 'x'.repeat(40)),
  Buffer.from('GET /tilemesh/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'),
];

const sizeOf = (value: Value): number =>
  isByteStrings(value) ? joinElements(value.elements).byteLength : value.bytes.byteLength;

describe('HTTP requests that are damaged on purpose', function () {
  this.timeout(120_000 + RUNS * 20);

  it(`bodies: refused or understood, ${RUNS} of seed ${SEED}`, () => {
    const counts = { refused: 0, understood: 0 };
    const progress = new Progress(RUNS);
    for (let run = 0; run < RUNS; run++) {
      const random = randomOf(SEED + run);
      const bytes = mutated(body, random);
      const headerBytes = random.chance(0.9)
        ? document.length + bytes.byteLength - body.byteLength
        : random.integer(-5, 500);
      try {
        const { inputs } = parseInferRequest(bytes, random.chance(0.9) ? headerBytes : undefined, MAX_JSON_BYTES);
        counts.understood += 1;
        const sizes = inputs instanceof Uint8Array ? [inputs.byteLength] : Array.from(inputs.values(), sizeOf);
        for (const size of sizes) assert.ok(size <= 4 * bytes.byteLength);
      } catch (error) {
        const replay = `body ${run} of seed ${SEED}`;
        assert.ok(error instanceof MeshError, `${replay}: ${(error as Error).stack ?? String(error)}`);
        assert.ok(CLIENTS_FAULT.includes(error.code), `${replay}: ${error.code} ${error.message}`);
        counts.refused += 1;
      }
      progress.step();
    }
    progress.end();
    assert.ok(counts.refused > RUNS / 20 && counts.understood > 0, JSON.stringify(counts));
  });

  describe('over sockets', () => {
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
        const status = await exchange(mutated(random.pick(REQUESTS), random));
        seen.set(status, (seen.get(status) ?? 0) + 1);
        const isFault = status !== undefined && status >= 500 && status !== 503;
        assert.ok(!isFault, `request ${run} of seed ${SEED} was answered with ${status}`);
      }
      assert.ok((seen.get(400) ?? 0) > 0 && (seen.get(200) ?? 0) > 0, JSON.stringify([...seen]));
      assert.equal(await exchange(REQUESTS[0]!), 200);
      assert.equal(api.active, 0);
    });
  });
});
