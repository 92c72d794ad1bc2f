/** What measurements of kernels are kept under. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describeSetting } from '../../../kernels/setting.ts';

describe('setting of a kernel', () => {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { readonly version: string };

  it('names the runtime and its version, native or in WebAssembly, and the threads', () => {
    assert.ok(describeSetting('onnxruntime', 3).endsWith(`onnxruntime-node ${version}, 3 threads`));
    assert.match(describeSetting('wasm', 1), /, onnxruntime-web \d+\.\d+\.\d+\S*, 1 threads$/);
    assert.match(describeSetting('reference', 1), /, reference, 1 threads$/);
  });
});
