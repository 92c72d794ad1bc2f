/** Files named on the command line; `-` is standard input. */
import { open } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { Transform } from 'node:stream';
import { API_LIMITS } from '../api/limits.ts';
import { MeshError } from '../core/errors.ts';

/** @throws MeshError NOT_FOUND, PAYLOAD_TOO_LARGE. */
export async function readInput(file: string): Promise<Uint8Array> {
  if (file === '-') return buffer(process.stdin.pipe(bounded(file)));
  try {
    await using handle = await open(file);
    const { size } = await handle.stat();
    if (size > API_LIMITS.bodyBytes) throw tooLarge(file);
    return await handle.readFile();
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    throw new MeshError('NOT_FOUND', `there is no file "${file}" that can be read`, { cause });
  }
}

const tooLarge = (file: string): MeshError =>
  new MeshError('PAYLOAD_TOO_LARGE', `"${file}" is larger than a peer accepts (${API_LIMITS.bodyBytes} bytes)`);

function bounded(file: string): Transform {
  let total = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      total += chunk.byteLength;
      if (total > API_LIMITS.bodyBytes) done(tooLarge(file));
      else done(null, chunk);
    },
  });
}
