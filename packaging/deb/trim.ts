/** What of the production packages a board needs: what runs there, and the licences. The rest is two thirds of their bytes. */
import { readdirSync, rmSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import { ARCHITECTURES, type Architecture } from './architecture.ts';

const RUNS = /\.(?:js|mjs|cjs|json|node|proto|so(?:\.\d+)*)$/;
const LICENCE = /^(?:licen[cs]e|copying|notice|third.?party)/i;
/** Nothing of a package that runs is in folders of these names. */
const NOT_RUN = new Set(['test', 'tests', 'benchmark', 'benchmarks', 'example', 'examples']);

/** Packages that npm installs beside what runs: declarations of types, and the compiler that `valibot` names as optional. */
const FOR_TYPES = [/^typescript$/, /^@types$/];

/** onnxruntime-web's build for Node and the one WebAssembly module that it loads. */
const WEB_RUNTIME = new Set(['ort.node.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm']);

/** @param path from `node_modules` on. */
export function isNeeded(path: string, architecture: Architecture): boolean {
  const parts = path.split(sep);
  const name = basename(path);
  if (FOR_TYPES.some((pattern) => pattern.test(parts[0]!))) return false;
  if (parts.some((part) => part.startsWith('.')) || parts.some((part) => NOT_RUN.has(part))) return false;
  if (LICENCE.test(name)) return true;
  if (parts[0] === 'onnxruntime-web' && parts[1] === 'dist') return WEB_RUNTIME.has(name);
  if (parts[0] === 'onnxruntime-node' && parts[1] === 'bin') {
    return path.includes(join('linux', ARCHITECTURES[architecture].node) + sep);
  }
  return RUNS.test(name);
}

/** Removes from a `node_modules` folder what is not needed, and folders that are empty then. */
export function trim(modules: string, architecture: Architecture): void {
  removeUnneeded(modules, modules, architecture);
}

/** @returns whether anything is left. */
function removeUnneeded(folder: string, modules: string, architecture: Architecture): boolean {
  let left = false;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const stays = entry.isDirectory()
      ? removeUnneeded(path, modules, architecture)
      : entry.isFile() && isNeeded(relative(modules, path), architecture);
    if (stays) left = true;
    else rmSync(path, { recursive: true });
  }
  return left;
}
