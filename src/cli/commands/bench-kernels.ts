/** `tilemesh bench kernels`: how fast this machine computes layers, by the benchmark that comes with a checkout. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MeshError } from '../../core/errors.ts';
import { ExitWith } from '../exit.ts';

const SCRIPT = fileURLToPath(new URL('../../../bench/main.ts', import.meta.url));

/** @param args as `npm run bench -- kernels` takes them. @throws MeshError UNAVAILABLE outside of a checkout. */
export async function benchKernelsCommand(args: readonly string[], interrupted: AbortSignal): Promise<void> {
  if (!existsSync(SCRIPT)) {
    throw new MeshError(
      'UNAVAILABLE',
      'layers are measured from a checkout: clone tilemesh there, then "npm ci && npm run bench -- kernels"',
    );
  }
  const child = spawn(process.execPath, [SCRIPT, 'kernels', ...args], { stdio: 'inherit' });
  const stop = (): void => void child.kill('SIGINT');
  interrupted.addEventListener('abort', stop, { once: true });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new ExitWith(code ?? 1);
  } finally {
    interrupted.removeEventListener('abort', stop);
  }
}
