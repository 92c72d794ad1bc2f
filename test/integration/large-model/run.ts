/**
 * Runs the sparse model whole and cut, as its only task, and prints what it answered and the most memory it had of its own.
 * The file that stands for the weight blob is the model's external data itself, which is laid out in the same way.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { readPackage } from '../../../models/package.ts';
import { bindGraph } from '../../../src/core/graph/bind.ts';
import type { ModelId } from '../../../src/core/ids.ts';
import { float32Values } from '../../../src/core/tensor/tensor.ts';
import { difference } from '../../../src/core/compare.ts';
import { executePlan } from '../../../src/verify/execute.ts';
import { cutPlan, wholePlan } from '../../../src/verify/plans.ts';
import { COLUMNS, FILLED, inputs, rowOf } from './sparse-model.ts';

const [path] = process.argv.slice(2);
const { graph } = await readPackage(path!);
const bound = bindGraph(graph, inputs());
const modelId = 'a'.repeat(64) as ModelId;
const kernel = createOnnxRuntimeKernel();
const weights = { path: join(dirname(path!), 'weights.data') };
const signal = AbortSignal.timeout(60_000);
const run = (plan: ReturnType<typeof wholePlan>) =>
  executePlan({ bound, plan, kernel, weights, inputs: inputs(), signal });

const whole = await run(wholePlan(bound, modelId));
const rows = float32Values(whole.get('rows')!);
for (const [index, row] of FILLED.entries()) {
  assert.deepEqual(rows.slice(index * COLUMNS, (index + 1) * COLUMNS), rowOf(row));
}
assert.ok(float32Values(whole.get('map')!).some((value) => value !== 0));
// Along the axis of the ids and of the channels: other cuts of the table are columns of it, which are no run of bytes.
const cut = await run(cutPlan({ bound, modelId, cut: { axes: [1], counts: [3] }, blocks: 'atoms' }));
for (const [name, value] of whole) assert.ok(difference(value, cut.get(name)!).isIdentical, name);
await kernel.close();
const status = await readFile('/proc/self/status', 'utf8');
const peak = /VmHWM:\s+(\d+) kB/.exec(status)![1]!;
console.log(JSON.stringify({ peakMb: Number(peak) / 1024 }));
