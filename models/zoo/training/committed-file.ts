/** The end of every trainer: the file it made is written, or compared with the one that is committed. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** With `--check` on the command line nothing is written, and the process fails when the file differs. */
export async function keepOrCompare(file: URL, bytes: Uint8Array, script: string): Promise<void> {
  const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const path = fileURLToPath(file);
  if (!options.check) {
    await writeFile(path, bytes);
    console.log(`${path}: ${bytes.byteLength} bytes`);
  } else if (Buffer.from(bytes).equals(await readFile(path))) {
    console.log('the committed file is what the recipe makes');
  } else {
    console.error(`${path} is not what the recipe makes: run "npm run ${script}" and commit the result`);
    process.exitCode = 1;
  }
}
