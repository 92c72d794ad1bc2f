/** The fuzzer finds what was put there for it to find, and being guided is what makes it find what chance would not. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keep, readCorpus } from './engine/corpus.ts';
import { fuzz, type Result } from './engine/run.ts';

const SEED = 11;
const INPUTS = 100_000;
const STUCK_MS = 5_000;

const search = (name: string, isGuided: boolean, inputs = INPUTS, stuckMs?: number): Promise<Result> =>
  fuzz({ table: new URL('planted.ts', import.meta.url).href, name, inputs, seed: SEED, isGuided, corpus: [] }, stuckMs);

const kinds = ({ violations }: Result): readonly string[] => violations.map(({ kind }) => kind);

describe('the fuzzer', function () {
  this.timeout(180_000);

  it('finds a fault behind nested values when it is guided by the code that runs, and not by chance', async () => {
    const guided = await search('nested-magic', true);
    assert.deepEqual(kinds(guided), ['error']);
    const input = Buffer.from(guided.violations[0]!.input, 'hex');
    // Made as small as it can be: the three values, and zeros.
    assert.equal(input.toString('hex'), '0000a700003c00000058');
    const blind = await search('nested-magic', false);
    assert.equal(blind.inputs, INPUTS);
    assert.deepEqual(blind.violations, []);
  });

  it('does the same again with the same seed', async () => {
    const [one, other] = await Promise.all([search('nested-magic', true, 5_000), search('nested-magic', true, 5_000)]);
    assert.deepEqual(one.corpus, other.corpus);
    assert.ok(one.corpus.length > 1);
  });

  for (const [name, kind] of [
    ['endless', 'stuck'],
    ['believes-lengths', 'memory'],
    ['grows', 'memory'],
    ['other-code', 'error'],
  ] as const) {
    it(`finds a parser that ${name}: ${kind}`, async () => {
      assert.ok(kinds(await search(name, true, 5_000, STUCK_MS)).includes(kind));
    });
  }

  it('finds nothing where there is nothing', async () => {
    const sound = await search('sound', true, 5_000);
    assert.deepEqual(sound.violations, []);
    assert.ok(sound.refused > 0 && sound.understood > 0);
  });

  it('keeps what broke a parser, to be tried again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-corpus-'));
    try {
      await keep({ parser: 'sound', kind: 'error', message: '', input: '0102' }, folder);
      assert.deepEqual(await readCorpus('sound', folder), [Uint8Array.of(1, 2)]);
      assert.deepEqual(await readCorpus('other', folder), []);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
