/** What measurements of a kernel hold for: this machine, and the version of the runtime that computes. */
import { readFileSync } from 'node:fs';
import { arch, cpus } from 'node:os';

const PACKAGES: Readonly<Record<string, string>> = { onnxruntime: 'onnxruntime-node', wasm: 'onnxruntime-web' };

/** @returns such as `AMD EPYC, x64, 2 cores, onnxruntime-node 1.30.0, 2 threads`. */
export const describeSetting = (kernel: string, threads: number): string =>
  [cpus()[0]?.model ?? 'unknown', arch(), `${cpus().length} cores`, runtimeOf(kernel), `${threads} threads`].join(', ');

/** The kernel's own name where it has no runtime. */
function runtimeOf(kernel: string): string {
  const name = PACKAGES[kernel];
  if (name === undefined) return kernel;
  // Their modules are in a folder inside the package, whose description not all of them let through.
  const description = new URL('../package.json', import.meta.resolve(name));
  const { version } = JSON.parse(readFileSync(description, 'utf8')) as { readonly version: string };
  return `${name} ${version}`;
}
