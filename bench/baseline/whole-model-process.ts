/**
 * ONNX Runtime on a whole model, without a mesh, in a process of its own and with one thread. Told on standard input what to do, one JSON
 * document a line; answers each with one on standard output.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { InferenceSession, Tensor as SessionTensor } from 'onnxruntime-node';
import { hasLargeProduct } from '../../kernels/lanes/session-definition.ts';
import { fromSessionTensor, toSessionTensor } from '../../kernels/lanes/session-tensors.ts';
import { decodeModel } from '../../models/onnx/decode.ts';
import { readNpy, writeNpy } from '../../models/tasks/npy.ts';
import type { Command, Reply, RunLimits, Times } from './whole-model.ts';

const [folder] = process.argv.slice(2) as [string];

let session: InferenceSession | undefined;
let feeds: Readonly<Record<string, SessionTensor>> = {};

async function open({ prepacking, optimisation, inputs }: Command & { readonly kind: 'open' }): Promise<void> {
  const path = join(folder, 'graph.onnx');
  const { graph } = decodeModel(new Uint8Array(await readFile(path)));
  const isPrepacked = prepacking === 'default' || !hasLargeProduct(graph);
  await session?.release();
  session = await InferenceSession.create(path, {
    graphOptimizationLevel: optimisation,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    extra: { session: { intra_op: { allow_spinning: '0' }, disable_prepacking: isPrepacked ? '0' : '1' } },
  });
  feeds = Object.fromEntries(
    inputs.map(({ name, npy }) => [
      name,
      toSessionTensor(SessionTensor, name, readNpy(new Uint8Array(Buffer.from(npy, 'base64')))),
    ]),
  );
}

async function run({ minRuns, minTotalMs }: RunLimits): Promise<Times> {
  const wallMs: number[] = [];
  const cpuMs: number[] = [];
  for (let totalMs = 0; wallMs.length < minRuns || totalMs < minTotalMs; totalMs += wallMs.at(-1)!) {
    const before = process.cpuUsage();
    const startedMs = performance.now();
    await session!.run(feeds);
    wallMs.push(performance.now() - startedMs);
    const { user, system } = process.cpuUsage(before);
    cpuMs.push((user + system) / 1e3);
  }
  return { wallMs, cpuMs };
}

async function outputs(): Promise<Reply> {
  const results = await session!.run(feeds);
  return {
    outputs: Object.entries(results).map(([name, result]) => ({
      name,
      npy: Buffer.from(writeNpy(fromSessionTensor(name, result))).toString('base64'),
    })),
  };
}

async function answer(command: Command): Promise<Reply> {
  switch (command.kind) {
    case 'open':
      await open(command);
      return {};
    case 'run':
      return { times: await run(command) };
    case 'outputs':
      return outputs();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const reply = await answer(JSON.parse(line) as Command).catch((error: unknown): Reply => ({
    failure: String(error),
  }));
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
