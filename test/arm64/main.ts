/**
 * Kernel conformance and "cut equals whole" on arm64: directly on a machine of that kind, elsewhere in an emulator. Shows
 * whether results are right there; how fast they come no emulator can tell. Takes the same settings from the environment
 * as the suites, with smaller defaults.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { emulatedNode, type NodeCommand } from './emulated-node.ts';

const ROOT = join(import.meta.dirname, '../..');
const SUITES = [
  'test/conformance/kernels/**/*.test.ts',
  'test/property/**/*.test.ts',
  'test/integration/exactness.test.ts',
];
const DEFAULTS = { TILEMESH_PROPERTY_RUNS: '200', TILEMESH_EXACTNESS_MODELS: 'lenet5' };
/** An emulator is tens of times slower, and the machine may be busy besides. */
const TEST_TIMEOUT_MS = 1_200_000;
/** An emulator can hang where Mocha's own clock stands still. Whole suites with large models take hours. */
const DEADLINE_MS = 3 * 3_600_000;

function nodeCommand(): NodeCommand {
  if (process.arch === 'arm64') return { file: process.execPath, args: [], env: {}, description: 'this machine' };
  return emulatedNode(ROOT);
}

try {
  const { file, args, env, description } = nodeCommand();
  console.log(`arm64: ${description}`);
  const mocha = join(ROOT, 'node_modules/mocha/bin/mocha.js');
  const { status, signal, error } = spawnSync(
    file,
    [...args, mocha, '--timeout', String(TEST_TIMEOUT_MS), '--', ...SUITES],
    { cwd: ROOT, env: { ...DEFAULTS, ...process.env, ...env }, stdio: 'inherit', timeout: DEADLINE_MS },
  );
  if (error !== undefined) throw error;
  if (signal !== null) throw new Error(`the tests were ended by ${signal}`);
  process.exitCode = status ?? 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
