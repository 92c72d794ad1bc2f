/**
 * `npm run fuzz -- [--parser NAME] [--inputs N] [--seed S] [--blind] [--json]`: fuzzes the parsers, guided by the code that
 * runs. What breaks one is made small and kept in `test/fuzz/corpus/`, where the tests find it. Ends with 1 when any broke.
 */
import { parseArgs } from 'node:util';
import { keep, readCorpus } from './engine/corpus.ts';
import { fuzz, type Result } from './engine/run.ts';
import { PARSERS } from './parsers/index.ts';

const DEFAULT_INPUTS = 1_000_000;

const { values } = parseArgs({
  options: {
    parser: { type: 'string', multiple: true },
    inputs: { type: 'string', default: String(DEFAULT_INPUTS) },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    blind: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const [inputs, seed] = [Number(values.inputs), Number(values.seed)];
const chosen = values.parser ?? PARSERS.map(({ name }) => name);
const unknown = chosen.find((name) => !PARSERS.some((parser) => parser.name === name));
if (unknown !== undefined || !Number.isSafeInteger(inputs) || inputs < 1 || !Number.isSafeInteger(seed)) {
  const what = unknown === undefined ? '--inputs and --seed are whole numbers' : `there is no parser "${unknown}"`;
  console.error(`${what}; parsers are ${PARSERS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

function show({ parser, understood, refused, blocks, corpus, kept, passing }: Result): void {
  const counts = `${understood} understood, ${refused} refused`;
  const memory = `at most ${kept[0]} B kept for ${kept[1]} B, ${passing[0]} B in passing for ${passing[1]} B`;
  console.log(`${parser}: ${counts}; ${blocks} stretches of code, ${corpus.length} inputs that reach them; ${memory}`);
}

const results: (Omit<Result, 'corpus'> & { readonly seconds: number })[] = [];
if (!values.json) console.log(`seed ${seed}`);
for (const name of chosen) {
  const started = performance.now();
  const table = new URL('parsers/index.ts', import.meta.url).href;
  const result = await fuzz({ table, name, inputs, seed, isGuided: !values.blind, corpus: await readCorpus(name) });
  const { corpus: _, ...counts } = result;
  results.push({ ...counts, seconds: (performance.now() - started) / 1000 });
  if (!values.json) show(result);
  for (const violation of result.violations) {
    const kept = violation.input === '' ? 'there was no input yet' : `kept as ${await keep(violation)}`;
    console.error(`${name}: ${violation.kind}: ${violation.message}\n  ${kept}`);
  }
}
if (values.json) console.log(JSON.stringify({ seed, inputs, isGuided: !values.blind, results }));
process.exitCode = results.some(({ violations }) => violations.length > 0) ? 1 : 0;
