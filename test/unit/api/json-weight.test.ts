import assert from 'node:assert/strict';
import { parseJson } from '../../../src/api/open-inference/json.ts';
import { collectGarbage } from '../../support/garbage.ts';

const MIB = 2 ** 20;
const TOO_HEAVY = { code: 'INVALID_INPUT', message: /would take more than \d+ in memory: send data with the binary/ };

const list = (count: number, element: (index: number) => string, first = '0'): Buffer =>
  Buffer.from(`[${first}${Array.from({ length: count }, (_, index) => `,${element(index)}`).join('')}]`);

const short = (index: number): string => index.toString(36).padStart(4, '0');

/** Documents that take the most memory of their kind, by how many elements. */
const KINDS: Readonly<Record<string, (count: number) => Buffer>> = {
  'short texts': (count) => list(count, (index) => `"${short(index)}"`),
  'texts with a wide character': (count) => list(count, (index) => `"${short(index)}\u4e2d"`),
  'long texts with a wide character': (count) => list(count / 8, (index) => `"${short(index).repeat(20)}\u4e2d"`),
  'escaped texts': (count) => list(count, (index) => `"${short(index)}\\u4e2d"`),
  'numbers among texts': (count) => list(count, () => '0.5', '""'),
  'whole numbers': (count) => list(count, () => '1'),
  numbers: (count) => list(count, () => '0.5'),
};

describe('api/open-inference/json', function () {
  this.timeout(60_000);

  for (const [what, make] of Object.entries(KINDS)) {
    it(`lets ${what} take four times their bytes in memory, and one MiB more`, () => {
      let largest = 0;
      for (const count of [20_000, 40_000, 80_000, 160_000, 320_000, 640_000]) {
        const bytes = make(count);
        collectGarbage();
        const before = collectGarbage();
        let parsed: unknown;
        try {
          parsed = parseJson(bytes, 16 * MIB);
        } catch (error) {
          assert.throws(() => {
            throw error;
          }, TOO_HEAVY);
          continue;
        }
        const taken = collectGarbage() - before;
        assert.ok(Array.isArray(parsed));
        assert.ok(taken <= 4 * bytes.byteLength + MIB, `${taken} for ${bytes.byteLength}`);
        largest = bytes.byteLength;
      }
      assert.ok(largest > 100_000, 'the small ones are taken');
    });
  }

  it('refuses what would take more, before it is parsed', () => {
    assert.throws(() => parseJson(KINDS['short texts']!(640_000), 16 * MIB), TOO_HEAVY);
    assert.throws(() => parseJson(KINDS['numbers among texts']!(640_000), 16 * MIB), TOO_HEAVY);
  });

  it('refuses thousands of empty objects', () => {
    assert.throws(
      () =>
        parseJson(
          list(21_845, () => '{}'),
          MIB,
        ),
      TOO_HEAVY,
    );
    assert.ok(
      parseJson(
        list(2_000, () => '{}'),
        MIB,
      ),
    );
  });

  it('takes tensors of numbers as large as a document may be, flat or nested, and pictures as text', () => {
    const numbers = list(1_000_000, (index) => `${index % 1000}`);
    assert.equal((parseJson(numbers, 16 * MIB) as unknown[]).length, 1_000_001);
    const rows = list(50_176, (index) => `[${index % 256},12,255]`);
    assert.equal((parseJson(rows, 16 * MIB) as unknown[]).length, 50_177);
    const exponents = list(500_000, (index) => `-${index}.5e-3`);
    assert.equal((parseJson(exponents, 16 * MIB) as unknown[]).length, 500_001);
    const picture = Buffer.from(`{"inputs":"${'A'.repeat(8 * MIB)}"}`);
    assert.equal((parseJson(picture, 16 * MIB) as { inputs: string }).inputs.length, 8 * MIB);
  });
});
