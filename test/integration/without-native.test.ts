/** Peers as processes on which native ONNX Runtime does not load: they are peers like any other. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor as SessionTensor } from 'onnxruntime-node';
import { loadConfig } from '../../src/config/load.ts';
import { fromFloat32, type Tensor } from '../../src/core/tensor/tensor.ts';
import { getJson } from '../../src/cli/client.ts';
import { createPeer, type Peer } from '../../src/node.ts';
import type { MemberView } from '../../src/api/port.ts';
import { differenceOf } from '../../demo/whole-model.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/tilemesh.js', import.meta.url));
const LENET = fileURLToPath(new URL('../../models/zoo/lenet5/lenet5.onnx', import.meta.url));
const PRELOAD = new URL('../support/without-native.ts', import.meta.url).href;
const SHAPE = [1, 1, 28, 28];
/** Single precision, summed in another order: of the largest value. */
const TOLERANCE = 1e-5;
const TIMEOUT_MS = 60_000;
const POLL_MS = 50;

type Native = 'missing' | 'broken';

interface Running {
  readonly process: ChildProcess;
  readonly url: URL;
  readonly kernel: string;
  readonly log: () => string;
}

const picture = (): Float32Array => Float32Array.from({ length: 784 }, (_, index) => Math.abs(Math.sin(index / 9)));

describe('without native ONNX Runtime', function () {
  this.timeout(120_000);
  let folder: string;
  let expected: ReadonlyMap<string, Tensor>;
  const children: ChildProcess[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-without-native-'));
    await writeFile(
      join(folder, 'mesh.config.mjs'),
      `export default { mesh: 'without-native', api: { port: 0 }, listen: { addresses: ['127.0.0.1'] }, discovery: { mdns: false }, membership: { level: 'open' } };`,
    );
    const session = await InferenceSession.create(LENET);
    const { probabilities } = await session.run({ image: new SessionTensor('float32', picture(), SHAPE) });
    expected = new Map([['probabilities', fromFloat32(probabilities!.dims, probabilities!.data as Float32Array)]]);
    await session.release();
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGINT');
      await once(child, 'exit');
    }
  });

  after(() => rm(folder, { recursive: true, force: true }));

  function tilemesh(native: Native, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const child = spawn(process.execPath, ['--import', PRELOAD, LAUNCHER, ...args], {
      env: { ...process.env, TILEMESH_TEST_NATIVE: native, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    return child;
  }

  /** Resolves when it is ready. */
  async function up(native: Native): Promise<Running> {
    const config = join(folder, 'mesh.config.mjs');
    const data = join(folder, native);
    const child = tilemesh(native, ['up', '--json', '--name', native, '--data', data, '--config', config]);
    let log = '';
    child.stderr!.on('data', (piece: Buffer) => (log += piece.toString()));
    for await (const line of createInterface({ input: child.stdout! })) {
      const { api, kernel } = JSON.parse(line) as { readonly api: string; readonly kernel: string };
      return { process: child, url: new URL(api), kernel, log: () => log };
    }
    throw new Error(`the peer ended before it was ready: ${log}`);
  }

  const membersOf = async ({ url }: Running): Promise<readonly MemberView[]> =>
    ((await getJson([url], '/tilemesh/v1/peers', AbortSignal.timeout(TIMEOUT_MS))) as { peers: MemberView[] }).peers;

  for (const [native, reason] of [
    ['missing', /Cannot find package 'onnxruntime-node/],
    ['broken', /onnxruntime_binding\.node: cannot open shared object file/],
  ] as const) {
    it(`a peer with the native build ${native} says so once, and answers with WebAssembly`, async () => {
      const peer = await up(native);
      assert.equal(peer.kernel, 'wasm');
      const response = await fetch(new URL('/v2/models/lenet5/infer', peer.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          inputs: [{ name: 'image', datatype: 'FP32', shape: SHAPE, data: [...picture()] }],
        }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await response.text();
      assert.equal(response.status, 200, text);
      const { outputs } = JSON.parse(text) as { readonly outputs: readonly { readonly data: readonly number[] }[] };
      const actual = new Map([['probabilities', fromFloat32([1, 10], outputs[0]!.data)]]);
      assert.ok(differenceOf(expected, actual).maxRel <= TOLERANCE);

      const warnings = peer
        .log()
        .split('\n')
        .filter((line) => line.includes('WebAssembly'));
      assert.equal(warnings.length, 1, peer.log());
      assert.equal((JSON.parse(warnings[0]!) as { readonly level: number }).level, 40);
      assert.match(warnings[0]!, reason);
      assert.match(warnings[0]!, /install the package onnxruntime-node again.*set kernel\.name to wasm/);
    });
  }

  it('a peer shares the tiles of a network with one that has it', async () => {
    const other = await up('missing');
    const [{ addresses }] = (await membersOf(other)) as [MemberView];
    const config = await loadConfig(folder, {
      name: 'native',
      data: join(folder, 'native'),
      discovery: { bootstrap: addresses },
      log: { level: 'error' },
    });
    let peer: Peer | undefined;
    try {
      peer = await createPeer(config);
      assert.equal(peer.self.kernel, 'onnxruntime');
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      while ((await membersOf(other)).filter(({ state }) => state === 'alive').length < 2) {
        signal.throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      const inputs = new Map([['image', fromFloat32(SHAPE, picture())]]);
      const { outputs, report } = await peer.infer({ model: 'lenet5', inputs, parallelism: 2, signal });
      const workers = new Set(report.blocks.flatMap(({ parts }) => parts.map((part) => part.peer)));
      assert.equal(workers.size, 2, report.cut);
      assert.ok(differenceOf(expected, outputs).maxRel <= TOLERANCE);
    } finally {
      await peer?.stop();
    }
  });

  it('a peer that is told to use it refuses to start, with the reason and what to do', async () => {
    const data = join(folder, 'explicit');
    const args = ['up', '--name', 'explicit', '--data', data, '--config', join(folder, 'mesh.config.mjs')];
    const child = tilemesh('missing', args, { TILEMESH_KERNEL: 'onnxruntime' });
    let log = '';
    child.stderr!.on('data', (piece: Buffer) => (log += piece.toString()));
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 1);
    assert.match(log, /kernel onnxruntime does not start on this machine \(Cannot find package/);
    assert.match(log, /set kernel\.name to auto/);
  });

  it('a model is verified all the same', async () => {
    const child = tilemesh('missing', ['verify', LENET, '--parts', '2', '--seed', '7']);
    let [out, err] = ['', ''];
    child.stdout!.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr!.on('data', (piece: Buffer) => (err += piece.toString()));
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 0, err);
    assert.match(out, /2 stripes of rows +2 +\d+ of \d+, fused .* equal/);
    assert.match(err, /computing in WebAssembly/);
  });
});
