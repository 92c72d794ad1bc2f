import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeNpy } from '../../../models/tasks/npy.ts';
import { zeros } from '../../../src/core/tensor/tensor.ts';
import { tilemesh, type CommandOutcome } from '../../support/command-line.ts';

const LENET = fileURLToPath(new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url));

const verify = (...args: readonly string[]): Promise<CommandOutcome> => tilemesh('verify', ...args);

describe('tilemesh verify', () => {
  it('finds LeNet-5 equal in every cut, says its seed and what it assumed', async () => {
    const { code, out, err } = await verify(LENET, '--parts', '2', '--seed', '7');
    assert.equal(code, 0, err);
    assert.match(out, /2 stripes of rows +2 +fused +\S+ +equal/);
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
