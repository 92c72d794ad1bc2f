/**
 * Whether two builds of the package are the same, byte by byte, so that anybody can check that a published one was made from
 * these sources; and whether it holds anything that does not belong there. Prints its digest.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

interface Packed {
  readonly filename: string;
  readonly integrity: string;
  readonly files: readonly { readonly path: string; readonly size: number; readonly mode: number }[];
}

const ROOT = join(import.meta.dirname, '../..');
/** What a package of this project may hold, beside its own manifest. */
const EXPECTED =
  /^(bin|dist|models\/zoo|protocols)\/|^(mesh\.config\.ts|README\.md|CHANGELOG\.md|SECURITY\.md|LICENSE|package\.json)$/;
const UNWANTED = /(^|\/)(test|node_modules|\.[^/]+)(\/|$)|\.(key|token|pem)$/;

/** From nothing: what an earlier build has left could differ. */
async function pack(folder: string): Promise<Packed> {
  await rm(join(ROOT, 'dist'), { recursive: true, force: true });
  const { stdout } = await promisify(execFile)('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: ROOT,
    maxBuffer: 64 * 2 ** 20,
  });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as readonly Packed[];
  if (packed === undefined) throw new Error('npm pack made nothing');
  return packed;
}

const folder = await mkdtemp(join(tmpdir(), 'tilemesh-package-'));
try {
  const [first, second] = [await pack(folder), await pack(folder)];
  const strange = first.files.filter(({ path }) => !EXPECTED.test(path) || UNWANTED.test(path));
  if (strange.length > 0) throw new Error(`it holds ${strange.map(({ path }) => path).join(', ')}`);
  if (first.integrity !== second.integrity)
    throw new Error(`two builds differ: ${first.integrity}, ${second.integrity}`);
  console.log(`${first.filename}: ${first.files.length} files, twice ${first.integrity}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
