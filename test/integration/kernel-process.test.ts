/** A peer whose kernel is in processes of its own, and what a crash of one costs. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKernel } from '../../kernels/open.ts';
import { loadConfig } from '../../src/config/load.ts';
import { fromFloat32 } from '../../src/core/tensor/tensor.ts';
import { createPeer, type Peer } from '../../src/node.ts';
import { counting, node, program, values } from '../conformance/kernels/programs.ts';

const DOUBLE = program('double', [node('Add', ['x', 'x'], 'y')]);

const signal = (): AbortSignal => AbortSignal.timeout(120_000);

/** Processes of kernels that this process has started. */
async function kernelProcesses(): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    all.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const isOurs = new RegExp(`^PPid:\\s*${process.pid}$`, 'm').test(status);
      if (!isOurs || /^State:\s*Z/m.test(status)) return [];
      // It names itself when it has begun to run.
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return /kernel-lane|\/worker\.ts/.test(command) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

/** It may have ended since it was seen. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
  }
}

describe('a kernel in a process of its own', function () {
  this.timeout(240_000);

  for (const name of ['onnxruntime', 'wasm'] as const) {
    it(`${name}: what a crash interrupts is computed by another one, and none is left at the end`, async () => {
      const request = { name, lanes: 1, threadsPerLane: 1, isolation: 'process' } as const;
      const kernel = await openKernel(request, () => undefined);
      try {
        await kernel.prepare(DOUBLE, null, signal());
        const inputs = () => new Map([['x', counting([1, 1, 1, 2])]]);
        const doubled = async () => values((await kernel.run(DOUBLE.key, inputs(), signal())).outputs.get('y'));
        assert.deepEqual(await doubled(), [0, 2]);
        const crash = async (): Promise<number> => {
          const [pid, ...others] = await kernelProcesses();
          assert.deepEqual(others, []);
          process.kill(pid!, 'SIGSTOP');
          setTimeout(() => {
            process.kill(pid!, 'SIGSEGV');
            process.kill(pid!, 'SIGCONT');
          }, 100);
          return pid!;
        };
        await crash();
        assert.deepEqual(await doubled(), [0, 2]);
        const first = await crash();
        const lost = doubled();
        const over = new AbortController();
        // Whatever takes its place crashes as well, before it can answer: it is given up then.
        const crashing = (async () => {
          while (!over.signal.aborted) {
            for (const pid of await kernelProcesses()) if (pid !== first) killIfThere(pid);
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        })();
        try {
          await assert.rejects(lost, { code: 'KERNEL_FAILED', message: /SIGKILL ended its process; try again/ });
        } finally {
          over.abort();
          await crashing;
        }
        assert.deepEqual(await doubled(), [0, 2]);
      } finally {
        await kernel.close();
      }
      assert.deepEqual(await kernelProcesses(), []);
    });
  }

  it('a crash in the middle of a request is not noticed by who asked', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-crash-'));
    let peer: Peer | undefined;
    try {
      const config = await loadConfig(folder, {
        name: 'lone',
        data: join(folder, 'data'),
        api: { port: 0 },
        listen: { addresses: ['127.0.0.1'] },
        discovery: { mdns: false },
        membership: { level: 'open' },
        kernel: { name: 'onnxruntime', isolation: 'process', threads: 1, macsPerSecond: 1e9 },
        verify: { share: 0 },
        log: { level: 'silent' },
      });
      peer = await createPeer(config);
      const image = fromFloat32(
        [1, 1, 28, 28],
        Array.from({ length: 784 }, (_, index) => (index % 7) / 7),
      );
      const lone = peer;
      const ask = async () => {
        const inputs = new Map([['image', { ...image, bytes: image.bytes.slice() }]]);
        return lone.infer({ model: 'lenet5', inputs, parallelism: 1, deadlineMs: 120_000, signal: signal() });
      };
      const before = await ask();
      const [pid] = await kernelProcesses();
      // It takes the request, and dies before it has answered.
      process.kill(pid!, 'SIGSTOP');
      const asked = ask();
      await new Promise((resolve) => setTimeout(resolve, 500));
      process.kill(pid!, 'SIGSEGV');
      process.kill(pid!, 'SIGCONT');
      const after = await asked;
      assert.deepEqual(after.outputs, before.outputs);
      assert.equal(peer.ready(), true);
      assert.notDeepEqual(await kernelProcesses(), [pid]);
    } finally {
      await peer?.stop();
      await rm(folder, { recursive: true, force: true });
    }
    assert.deepEqual(await kernelProcesses(), []);
  });
});
