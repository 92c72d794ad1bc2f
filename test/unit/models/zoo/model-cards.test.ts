/** Every network whose answers mean something has a card that says what it is worth. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { OCR_MODELS } from '../../../../models/tasks/ocr.ts';
import { ZOO } from '../../../../models/zoo/index.ts';

const SECTIONS = ['What', 'Data', 'Result on what was held back', 'Limits', 'Licence of the weights'];

const folderOf = (name: string): string => (Object.hasOwn(OCR_MODELS, name) ? 'ocr' : name);
const readCard = (folder: string): Promise<string> =>
  readFile(new URL(`../../../../models/zoo/${folder}/MODEL-CARD.md`, import.meta.url), 'utf8');

describe('model cards', () => {
  const meaningful = Object.values(ZOO).filter(({ weights }) => weights !== 'seeded');

  for (const { name, licence } of meaningful) {
    it(`tells of ${name}: what, data, result, limits and licence`, async () => {
      const card = await readCard(folderOf(name));
      for (const section of SECTIONS) assert.ok(card.includes(`**${section}.**`), `no section "${section}"`);
      assert.ok(card.includes(licence));
    });
  }

  it('names tests that exist, and the result that the README tells', async () => {
    const readme = await readFile(new URL('../../../../README.md', import.meta.url), 'utf8');
    for (const folder of new Set(meaningful.map(({ name }) => folderOf(name)))) {
      const card = await readCard(folder);
      const tests = [...card.matchAll(/`(test\/[^`]+\.ts)`/g)].map(([, path]) => path!);
      assert.ok(tests.length > 0, folder);
      for (const path of tests)
        assert.match(await readFile(new URL(`../../../../${path}`, import.meta.url), 'utf8'), /it\(/);
    }
    for (const [folder, figure] of [
      ['lenet5', '98.85 %'],
      ['language', '99.1 %'],
      ['forecast', '0.69'],
    ] as const) {
      assert.ok((await readCard(folder)).includes(figure) && readme.includes(figure), `${folder}: ${figure}`);
    }
  });
});
