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

/** What `INPUT` of `tilemesh run` stands for. */
export interface GivenInput {
  readonly bytes: Uint8Array;
  /** There is no such file: the words themselves are meant. */
  readonly isLiteral: boolean;
}

/** Without blanks and with an extension or a folder: a file that is missing, not a text. */
const isFileName = (text: string): boolean => !/\s/.test(text) && /\.\w+$|[/\\]/.test(text);

/** A file, standard input, or a text given as it is. @throws MeshError NOT_FOUND, PAYLOAD_TOO_LARGE. */
export async function readInputOrText(input: string): Promise<GivenInput> {
  try {
    return { bytes: await readInput(input), isLiteral: false };
  } catch (error) {
    const isMissing = error instanceof MeshError && error.code === 'NOT_FOUND';
    if (!isMissing || isFileName(input)) throw error;
    return { bytes: new TextEncoder().encode(input), isLiteral: true };
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
