import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeNpy } from '../../../models/tasks/npy.ts';
import { runProgram } from '../../../src/cli/main.ts';
import type { Terminal } from '../../../src/cli/terminal.ts';
import { zeros } from '../../../src/core/tensor/tensor.ts';

const LENET = fileURLToPath(new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url));

async function verify(
  ...args: string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let [out, err] = ['', ''];
  const terminal: Terminal = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    isInteractive: false,
    style: (_, text) => text,
    interrupted: new AbortController().signal,
  };
  const start = () => Promise.reject(new Error('not in this test'));
  const code = await runProgram(terminal, ['verify', ...args], '0.1.0', start);
  return { code, out, err };
}

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
