/**
 * Every parser of what comes from outside, given damaged, strange and hostile inputs: it makes something of each or refuses it
 * with an error that says why, in time, and with no more memory than the input is worth. The number of inputs for each is
 * set by TILEMESH_FUZZ_RUNS, their seed by TILEMESH_FUZZ_SEED: see `engine/amount.ts`. What broke one once is in `corpus/`, and is tried again.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { RUNS, SEED } from './engine/amount.ts';
import { CORPUS_FOLDER, readCorpus } from './engine/corpus.ts';
import { examine } from './engine/examine.ts';
import { fuzz } from './engine/run.ts';
import { PARSERS } from './parsers/index.ts';

const TABLE = new URL('parsers/index.ts', import.meta.url).href;

describe('parsers of what comes from outside', function () {
  this.timeout(300_000 + RUNS * 20);

  for (const { name, share = 1 } of PARSERS) {
    it(`${name}: understands or refuses, ${Math.ceil(RUNS * share)} inputs of seed ${SEED}`, async () => {
      const corpus = await readCorpus(name);
      const { violations, understood } = await fuzz({
        table: TABLE,
        name,
        inputs: RUNS,
        seed: SEED,
        isGuided: true,
        corpus,
      });
      const found = violations.map(({ kind, message, input }) => `${kind}: ${message}\n  ${input.slice(0, 2_000)}`);
      assert.deepEqual(found, [], `npm run fuzz -- --parser ${name} --inputs ${RUNS} --seed ${SEED}`);
      assert.ok(understood > 0, 'nothing was understood');
    });
  }

  it('are broken by none of the inputs that broke one before', async () => {
    const folders = await readdir(CORPUS_FOLDER).catch(() => []);
    for (const folder of folders) {
      const parser = PARSERS.find(({ name }) => name === folder);
      assert.ok(parser, `corpus/${folder} belongs to no parser`);
      for (const input of await readCorpus(folder)) {
        const { violation } = await examine(parser, input);
        assert.equal(violation?.message, undefined, folder);
      }
    }
  });

  it('have names of their own, and understand each of their seeds', async () => {
    assert.equal(new Set(PARSERS.map(({ name }) => name)).size, PARSERS.length);
    for (const parser of PARSERS) {
      for (const seed of parser.seeds()) {
        const { value, violation } = await examine(parser, seed);
        assert.equal(violation?.message, undefined, parser.name);
        assert.ok(value !== undefined, `${parser.name} refuses one of its seeds`);
      }
    }
  });
});
