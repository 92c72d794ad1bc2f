/** `tilemesh bench`, against a peer that answers what a test wants; and how it counts. */
import assert from 'node:assert/strict';
import { askOften, latencyOf, type Asked } from '../../../src/cli/bench/ask-often.ts';
import { UnreachableError } from '../../../src/cli/exit.ts';
import { MeshError } from '../../../src/core/errors.ts';
import type { Api } from '../../../src/api/server.ts';
import { fakePeer, MODEL_ID, startFakeApi, type FakeOptions } from '../../support/fake-peer.ts';
import { tilemesh } from '../../support/terminal.ts';

/** Of a machine that does much else besides. */
const PATIENCE_MS = 120_000;

interface Document {
  readonly schema: string;
  readonly runs: readonly (Omit<Asked, 'latenciesMs'> & {
    readonly parallelism: string;
    readonly answered: number;
    readonly perSecond: number;
    readonly latency: { readonly least: number; readonly most: number } | null;
  })[];
}

describe('tilemesh bench', function () {
  this.timeout(PATIENCE_MS);
  let api: Api;
  afterEach(() => api.close());
  const serve = async (options: FakeOptions = {}) => {
    const peer = fakePeer(options);
    api = await startFakeApi(peer);
    return peer;
  };
  const bench = (...options: readonly string[]) => tilemesh('bench', 'double', '--api', api.url, ...options);

  it('asks as often as it is told, and once more beforehand, for each degree of parallelism', async () => {
    const peer = await serve();
    const { code, out } = await bench('--requests', '5', '--clients', '2', '--parallelism', 'auto,1', '--json');
    const { schema, runs } = JSON.parse(out) as Document;
    assert.deepEqual([code, schema], [0, 'tilemesh.bench/1']);
    assert.deepEqual(
      runs.map(({ parallelism, answered, refused, failed, cuts }) => [parallelism, answered, refused, failed, cuts]),
      ['auto', '1'].map((parallelism) => [parallelism, 5, 0, 0, [{ cut: 'rows, 2 parts', count: 5 }]]),
    );
    assert.deepEqual(
      peer.requests.map(({ parallelism }) => parallelism),
      [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1],
    );
    for (const { latency, perSecond } of runs) {
      assert.ok(latency !== null && latency.least > 0 && latency.most >= latency.least && perSecond > 0);
    }
  });

  it('asks the same of the same seed, and of another one something else', async () => {
    const peer = await serve();
    for (const seed of ['3', '3', '4']) await bench('--requests', '1', '--seed', seed);
    const bytes = peer.requests.map(({ inputs }) => Buffer.from(inputs.get('x')!.bytes).toString('hex'));
    assert.deepEqual([bytes[0], bytes[2]], [bytes[1], bytes[1]]);
    assert.notEqual(bytes[4], bytes[0]);
  });

  it('shows a line for each, and the cut that was chosen', async () => {
    await serve();
    const { out } = await bench('--requests', '3', '--parallelism', '1,2');
    assert.match(out, /^double, random arrays of seed 1, 3 requests of one client\n\nPARALLELISM +ANSWERED /);
    assert.match(out, /^1 +3 +0 +0 .*rows, 2 parts$/m);
    assert.match(out, /^2 +3 +0 +0 .*rows, 2 parts$/m);
  });

  it('counts what was refused and what failed, says why, and ends with 1', async () => {
    let asked = 0;
    const beforeAnswer = (): Promise<void> => {
      asked++;
      if (asked === 3) return Promise.reject(new MeshError('OVERLOADED', 'too much in hand'));
      return asked === 4 ? Promise.reject(new MeshError('INTERNAL', 'a fault')) : Promise.resolve();
    };
    await serve({ beforeAnswer });
    const { code, out, err } = await bench('--requests', '4');
    assert.equal(code, 1);
    assert.match(out, /^auto +2 +1 +1 /m);
    assert.match(err, /tilemesh: not all were answered: too much in hand\n$/);
  });

  it('refuses in one line what makes no sense', async () => {
    await serve();
    const wrong = [
      [['--requests', '0'], 2],
      [['--parallelism', '1,x'], 2],
      [['--shape', 'z=1,4'], 2],
      [['nowhere.png'], 1],
    ] as const;
    for (const [options, code] of wrong) {
      const outcome = await bench(...options);
      assert.deepEqual([outcome.code, outcome.out], [code, ''], options.join(' '));
    }
    const none = await tilemesh('bench', 'none', '--api', api.url);
    assert.equal(none.code, 1);
    assert.match(none.err, /^tilemesh: .*"none".*\n$/);
    assert.equal((await tilemesh('bench', MODEL_ID, '--api', '127.0.0.1:9')).code, 3);
  });
});

describe('asking often', () => {
  const options = { requests: 3, clients: 8, signal: new AbortController().signal, onAnswer: () => undefined };

  it('asks no more than it is told, however many clients there are', async () => {
    let asked = 0;
    const now = (): number => asked;
    const { latenciesMs, cuts } = await askOften(() => Promise.resolve(asked++ === 1 ? 'a' : 'b'), { ...options, now });
    assert.equal(latenciesMs.length, 3);
    assert.deepEqual(cuts, [{ cut: 'b', count: 2 }, { cut: 'a', count: 1 }]); // prettier-ignore
  });

  it('gives up when nobody is there', async () => {
    const ask = () => Promise.reject(new UnreachableError('http://127.0.0.1:9', undefined));
    await assert.rejects(askOften(ask, { ...options, now: () => 0 }), UnreachableError);
  });

  it('ends when it is interrupted', async () => {
    const interruption = new AbortController();
    interruption.abort(new Error('enough'));
    const asking = askOften(() => Promise.resolve(''), { ...options, signal: interruption.signal, now: () => 0 });
    await assert.rejects(asking, /enough/);
  });

  it('takes percentiles by the nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    assert.deepEqual(latencyOf(hundred), { least: 1, median: 50, p95: 95, p99: 99, most: 100 });
    assert.deepEqual(latencyOf([7]), { least: 7, median: 7, p95: 7, p99: 7, most: 7 });
    assert.equal(latencyOf([]), null);
  });
});
