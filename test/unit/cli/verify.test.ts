import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeNpy } from '../../../models/tasks/npy.ts';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import { verifyCommand } from '../../../src/cli/commands/verify.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { zeros } from '../../../src/core/tensor/tensor.ts';
import type { VerifyReport } from '../../../src/verify/verify.ts';
import { lyingKernel } from '../../support/lying-kernel.ts';
import { recordingTerminal, tilemesh } from '../../support/terminal.ts';

const LENET = fileURLToPath(new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url));

const verify = (...args: string[]) => tilemesh('verify', ...args);

describe('tilemesh verify', () => {
  it('finds LeNet-5 equal in every cut, says its seed and what it assumed', async () => {
    const { code, out, err } = await verify(LENET, '--parts', '2', '--seed', '7');
    assert.equal(code, 0, err);
    assert.match(out, /2 stripes of rows +2 +\d+ of \d+, fused +\d+\.\d % +\S+ +equal/);
    assert.match(out, /equal: off by at most 1e-5 of the largest value/);
    assert.match(out, /100\.0 % of the work can be cut/);
    assert.match(err, /seed 7; sizes left open .* --shape image=1,1,28,28/);
  });

  it('answers with one document when asked for JSON, and reads arrays from a folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-verify-'));
    try {
      await writeFile(join(folder, 'image.npy'), writeNpy(zeros('float32', [2, 1, 28, 28])));
      const { code, out } = await verify(LENET, '--inputs', folder, '--parts', '2', '--json');
      assert.equal(code, 0);
      const report = JSON.parse(out) as { readonly schema: string; readonly inputs: unknown; readonly cuts: unknown[] };
      assert.equal(report.schema, 'tilemesh.verify/1');
      assert.deepEqual(report.inputs, { image: [2, 1, 28, 28] });
      assert.ok(report.cuts.length > 0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('writes its report and fails, naming the cuts, where one of them answers otherwise', async () => {
    const kernel = createOnnxRuntimeKernel();
    const { terminal, written } = recordingTerminal();
    try {
      const options = { parts: [2], shape: [], seed: 7, json: true } as const;
      await assert.rejects(
        verifyCommand(terminal, LENET, options, () => Promise.resolve(lyingKernel(kernel, 1000))),
        (error) =>
          error instanceof MeshError && error.code === 'INTERNAL' && error.message.includes('2 stripes of rows'),
      );
      const report = JSON.parse(written().out) as VerifyReport;
      assert.equal(report.schema, 'tilemesh.verify/1');
      const wrong = report.cuts.find((cut) => !cut.equal)!;
      assert.ok(wrong.maxAbs > 900 && wrong.maxRel > 0);
    } finally {
      await kernel.close();
    }
  });

  it('refuses parts, shapes and files that are none', async () => {
    assert.equal((await verify(LENET, '--parts', '1')).code, 2);
    assert.equal((await verify(LENET, '--shape', 'image=1,x')).code, 2);
    const unknown = await verify(LENET, '--shape', 'picture=1');
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /its inputs are: image/);
    const missing = await verify('no-such-file.onnx');
    assert.equal(missing.code, 1);
    assert.match(missing.err, /no-such-file/);
  });
});
