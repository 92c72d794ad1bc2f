/** Which version of its runtime a kernel computes with: measurements hold for one only. */
import { readFileSync } from 'node:fs';

const PACKAGES: Readonly<Record<string, string>> = { onnxruntime: 'onnxruntime-node', wasm: 'onnxruntime-web' };

/** @returns `onnxruntime-node 1.30.0`, or the kernel's own name where it has no runtime. */
export function runtimeVersion(kernel: string): string {
  const name = PACKAGES[kernel];
  if (name === undefined) return kernel;
  // Their modules are in a folder inside the package, whose description not all of them let through.
  const description = new URL('../package.json', import.meta.resolve(name));
  const { version } = JSON.parse(readFileSync(description, 'utf8')) as { readonly version: string };
  return `${name} ${version}`;
}
