import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readNpy, writeNpy } from '../../../models/tasks/npy.ts';
import type { Api } from '../../../src/api/server.ts';
import type { StartPeer, StartRequest } from '../../../src/cli/commands/up.ts';
import { runProgram } from '../../../src/cli/main.ts';
import type { Terminal } from '../../../src/cli/terminal.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { fromFloat32, numberValues } from '../../../src/core/tensor/tensor.ts';
import {
  DOUBLING,
  fakePeer,
  member,
  OTHER,
  SELF,
  startFakeApi,
  type FakeOptions,
  type FakePeer,
} from '../../support/fake-peer.ts';
import { startSilentServer } from '../../support/silent-server.ts';

/** An address of this machine that nobody listens on: port 9 is the discard service. */
const NOBODY = '127.0.0.1:9';
const noPeer: StartPeer = () => Promise.reject(new MeshError('INTERNAL', 'not in this test'));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function tilemesh(
  args: readonly string[],
  { start = noPeer, isInteractive = false, interruption = new AbortController() } = {},
): Promise<Outcome> {
  let [out, err] = ['', ''];
  const terminal: Terminal = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    isInteractive,
    style: (_style, text) => text,
    interrupted: interruption.signal,
  };
  const code = await runProgram(terminal, args, '0.1.0', start);
  return { code, out, err };
}

describe('command line', () => {
  let folder: string;
  let array: string;
  const open: Api[] = [];
  const serve = async (options: FakeOptions = {}): Promise<{ peer: FakePeer; url: string }> => {
    const peer = fakePeer(options);
    const api = await startFakeApi(peer);
    open.push(api);
    return { peer, url: api.url };
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-cli-'));
    array = join(folder, 'x.npy');
    await writeFile(array, writeNpy(fromFloat32([1, 4], [1, 2, 3, 4])));
  });
  after(() => rm(folder, { recursive: true }));
  afterEach(async () => {
    await Promise.all(open.splice(0).map((api) => api.close()));
  });

  describe('run', () => {
    it('asks the next address where a peer takes nothing', async () => {
      const busy = await serve({ beforeAnswer: () => Promise.reject(new MeshError('UNAVAILABLE', 'about to stop')) });
      const idle = await serve();
      const { code } = await tilemesh(['run', 'double', array, '--api', `${busy.url},${idle.url}`]);
      assert.deepEqual([code, busy.peer.requests.length, idle.peer.requests.length], [0, 1, 1]);
      const alone = await tilemesh(['run', 'double', array, '--api', busy.url]);
      assert.deepEqual([alone.code, alone.err], [1, 'tilemesh: about to stop\n']);
    });

    it('prints the answer, the coordinator and who computed what', async () => {
      const { url } = await serve();
      const { code, out } = await tilemesh(['run', 'double', array, '--api', url]);
      assert.equal(code, 0);
      assert.match(out, /y: float32 \[1, 4\] = 2, 4, 6, 8\n/);
      assert.match(out, /answered in 13 ms, rows, 2 parts\ncoordinated by garage \(term 1\), entered at kitchen/);
      assert.match(out, /PEER {5}TILES {2}COMPUTE {2}RECEIVED\nkitchen {6}1 {3}1\.0 ms {7}0 B\ngarage {7}1 /);
    });

    it('sends parallelism, deadline and a request id', async () => {
      const { url, peer } = await serve();
      await tilemesh(['run', 'double', array, '--api', url, '--parallelism', '3', '--deadline', '7']);
      const [request] = peer.requests;
      assert.deepEqual([request?.parallelism, request?.deadlineMs], [3, 7000]);
      assert.match(request?.requestId ?? '', /^[0-9a-f]{32}$/);
    });

    it('sends several named arrays', async () => {
      const { url, peer } = await serve();
      const { code, out } = await tilemesh(['run', 'double', '--input', `x=${array}`, '--api', url]);
      assert.equal(code, 0);
      assert.match(out, /= 2, 4, 6, 8/);
      assert.deepEqual(numberValues(peer.requests[0]!.inputs.get('x')!), [1, 2, 3, 4]);
    });

    it('writes outputs as .npy files, one for each', async () => {
      const { url } = await serve();
      for (const [index, input] of [[array], ['--input', `x=${array}`]].entries()) {
        const target = join(folder, `outputs-${index}`);
        await tilemesh(['run', 'double', ...input, '--api', url, '--output', target]);
        assert.deepEqual(numberValues(readNpy(await readFile(join(target, 'y.npy')))), [2, 4, 6, 8]);
      }
    });

    it('answers with one JSON document that names its schema', async () => {
      const { url } = await serve();
      const { out } = await tilemesh(['run', 'double', array, '--api', url, '--json']);
      const document = JSON.parse(out) as Record<string, unknown>;
      assert.equal(document.schema, 'tilemesh.run/1');
      assert.deepEqual(Object.keys(document), ['schema', 'model', 'requestId', 'weights', 'answer', 'report']);
    });

    it('says that the answer of seeded weights means nothing', async () => {
      const { url } = await serve({ model: { ...DOUBLING, weights: 'seeded' } });
      assert.match(
        (await tilemesh(['run', 'double', array, '--api', url])).out,
        /seeded, not trained: the answer means nothing/,
      );
    });

    it('shows progress to a terminal only, and takes it away', async () => {
      const { url } = await serve();
      assert.equal((await tilemesh(['run', 'double', array, '--api', url])).err, '');
      const { err } = await tilemesh(['run', 'double', array, '--api', url], { isInteractive: true });
      assert.equal(err, '\r\x1b[Kcomputing 50 %\r\x1b[K');
    });

    it('asks the next address when the first does not answer, with the same request id', async () => {
      const { url, peer } = await serve();
      assert.equal((await tilemesh(['run', 'double', array, '--api', `${NOBODY},${url}`])).code, 0);
      assert.equal(peer.requests.length, 1);
    });

    it('asks the next address as well when nothing is heard from the first, and takes the answer that comes first', async () => {
      const frozen = await startSilentServer();
      const busy = await serve({ beforeAnswer: () => Promise.reject(new MeshError('OVERLOADED', 'too much in hand')) });
      const { url, peer } = await serve();
      try {
        const addresses = `${frozen.address},${busy.url},${url}`;
        const { code } = await tilemesh(['run', 'double', array, '--api', addresses]);
        assert.deepEqual([code, busy.peer.requests.length, peer.requests.length], [0, 1, 1]);
        await frozen.left;
      } finally {
        frozen.stop();
      }
    });

    it('waits for a peer that works and says so', async () => {
      const slow = await serve({ beforeAnswer: () => setTimeout(2_500) });
      const idle = await serve();
      const { code } = await tilemesh(['run', 'double', array, '--api', `${slow.url},${idle.url}`]);
      assert.deepEqual([code, slow.peer.requests.length, idle.peer.requests.length], [0, 1, 0]);
    });

    it('ends with 130 when interrupted, and the peer hears of it', async () => {
      const arrived = Promise.withResolvers<undefined>();
      const cancelled = Promise.withResolvers<undefined>();
      const { url } = await serve({
        beforeAnswer: ({ signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              cancelled.resolve(undefined);
              reject(signal.reason as Error);
            });
            arrived.resolve(undefined);
          }),
      });
      const interruption = new AbortController();
      const outcome = tilemesh(['run', 'double', array, '--api', url], { interruption });
      await arrived.promise;
      interruption.abort();
      assert.equal((await outcome).code, 130);
      await cancelled.promise;
    });
  });

  describe('peers', () => {
    const peers = [
      member(),
      member({
        id: OTHER,
        name: '台所\x1b[2J\u202e',
        state: 'failed',
        isSelf: false,
        rttMs: 1.25,
        macsPerSecond: 0,
        models: [],
      }),
    ];

    it('aligns names of any script and shows nothing that moves the cursor', async () => {
      const { url } = await serve({ members: peers });
      const { out } = await tilemesh(['peers', '--api', url]);
      const lines = out.split('\n');
      assert.match(lines[1]!, /^kitchen \(this peer\) {2}alive {8}- {2}5\.0 GMAC\/s/);
      assert.match(lines[2]!, /^台所 {17}failed {2}1\.3 ms {11}-/);
      assert.doesNotMatch(out, /[\x1b\u202e]/); // eslint-disable-line no-control-regex
    });

    it('says what to do about a peer that failed, and about being alone', async () => {
      assert.match(
        (await tilemesh(['peers', '--api', (await serve({ members: peers })).url])).out,
        /is it switched on/,
      );
      assert.match((await tilemesh(['peers', '--api', (await serve()).url])).out, /No other peer has been found/);
    });

    it('answers with one JSON document that names its schema', async () => {
      const { url } = await serve();
      const document = JSON.parse((await tilemesh(['peers', '--api', url, '--json'])).out) as Record<string, unknown>;
      assert.equal(document.schema, 'tilemesh.peers/1');
      assert.equal((document.peers as { id: string }[])[0]?.id, SELF);
    });
  });

  describe('models and import', () => {
    it('list what the mesh holds', async () => {
      const { url } = await serve();
      const { out } = await tilemesh(['models', '--api', url]);
      assert.match(
        out,
        /^NAME {4}TASK {5}WEIGHTS {4}SIZE {2}HELD HERE {2}PEERS {2}DESCRIPTION\ndouble {2}tensors {2}trained {2}1\.0 KB {7}50 % {6}2 {2}doubles\n/,
      );
      assert.match((await tilemesh(['models', '--api', url, '--json'])).out, /^{"schema":"tilemesh.models\/1"/);
    });

    it('send a file whole, with its task', async () => {
      const { url, peer } = await serve();
      const file = fileURLToPath(new URL('../../../models/zoo/face/face.onnx', import.meta.url));
      const bytes = await readFile(file);
      const { code, out, err } = await tilemesh([
        'import',
        file,
        '--name',
        'mine',
        '--task',
        'ppocr-detection',
        '--api',
        url,
      ]);
      assert.equal(code, 0, err);
      assert.match(out, /^imported mine .*npx tilemesh run mine INPUT/);
      assert.ok(Buffer.compare(peer.imports[0]!.bytes, bytes) === 0);
      assert.equal(peer.imports[0]?.options.task?.kind, 'text-detection');
    });
  });

  describe('up', () => {
    it('prints one ready line, and drains the peer and then stops it when interrupted', async () => {
      const requests: StartRequest[] = [];
      let isStopped = false;
      let isDrained = false;
      const interruption = new AbortController();
      const start: StartPeer = (request) => {
        requests.push(request);
        queueMicrotask(() => interruption.abort());
        const self = { id: SELF, name: 'kitchen', mesh: 'home', version: '0.1.0', kernel: 'wasm' };
        const stop = (): Promise<void> => Promise.resolve(void (isStopped = isDrained));
        const drain = (): Promise<boolean> => Promise.resolve((isDrained = true));
        return Promise.resolve({ self, apiUrl: 'http://127.0.0.1:8470', invitation: null, drain, stop });
      };
      const args = [
        'up',
        '--name',
        'kitchen',
        '--api',
        '0.0.0.0:80',
        '--listen',
        '0',
        '--bootstrap',
        '/ip4/1.2.3.4/tcp/5',
        '--config',
        'c.ts',
      ];
      const { code, out } = await tilemesh(args, { start, interruption });
      assert.equal(code, 0);
      assert.equal(out, `tilemesh peer kitchen ready: mesh home, kernel wasm, api http://127.0.0.1:8470, id ${SELF}\n`);
      assert.equal(isStopped, true);
      assert.deepEqual(requests, [
        {
          overrides: {
            name: 'kitchen',
            api: { host: '0.0.0.0', port: 80 },
            listen: { port: 0 },
            discovery: { bootstrap: ['/ip4/1.2.3.4/tcp/5'] },
          },
          configFile: 'c.ts',
        },
      ]);
    });
  });

  describe('failures', () => {
    const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
      [
        'nobody answers',
        ['peers', '--api', NOBODY],
        3,
        /^tilemesh: no peer answers at http:\/\/127\.0\.0\.1:9: start one with "npx tilemesh up" or name another with --api\n$/,
      ],
      ['a command is misspelt', ['peeers'], 2, /Did you mean peers\?/],
      ['an option is unknown', ['peers', '--jsn'], 2, /--json/],
      ['an address is none', ['peers', '--api', 'http://'], 2, /HOST:PORT/],
      ['a number is none', ['run', 'm', 'x', '--parallelism', 'many'], 2, /"auto" or a number/],
      ['there is no input', ['run', 'm'], 2, /give one INPUT/],
      ['an input is not NAME=FILE', ['run', 'm', '--input', 'x'], 2, /NAME=FILE\.npy/],
      ['a file is missing', ['run', 'm', '/none/x.png'], 1, /^tilemesh: there is no file "\/none\/x\.png"/],
      ['an import is no model', ['import', 'package.json', '--name', 'x'], 1, /not an ONNX model/],
      [
        'a name is none for a model',
        ['import', 'package.json', '--name', 'A B'],
        2,
        /'A B' is invalid\. up to 64 letters/,
      ],
      [
        'a model to verify is missing',
        ['verify', '/none/x.onnx'],
        1,
        /^tilemesh: there is no file "\/none\/x\.onnx" that can be read\n$/,
      ],
      ['an import is missing', ['import', '/none/x.onnx', '--name', 'x'], 1, /there is no file/],
      ['a peer cannot start', ['up'], 1, /^tilemesh: not in this test\n$/],
    ];
    for (const [what, args, code, message] of cases) {
      it(`exit with ${code} and one clear line when ${what}`, async () => {
        const outcome = await tilemesh(args);
        assert.deepEqual([outcome.code, outcome.out], [code, '']);
        assert.match(outcome.err, message);
      });
    }

    it('carry the words of the peer', async () => {
      const { url } = await serve();
      const { code, err } = await tilemesh(['run', 'none', array, '--api', url]);
      assert.deepEqual([code, err], [1, 'tilemesh: no peer has a model "none"\n']);
    });
  });

  it('shows examples first in every help', async () => {
    for (const command of [
      [],
      ['up'],
      ['run'],
      ['peers'],
      ['models'],
      ['import'],
      ['invite'],
      ['join'],
      ['token'],
      ['peer'],
    ]) {
      const { code, out } = await tilemesh([...command, '--help']);
      assert.equal(code, 0);
      assert.match(out, /^Examples:\n {2}npx tilemesh /);
    }
  });
});
