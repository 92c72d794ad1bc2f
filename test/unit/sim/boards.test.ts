import assert from 'node:assert/strict';
import { parseBoards, PUBLISHED } from '../../../src/sim/boards.ts';

const machine = () => ({ macsPerSecond: 64e9, cores: 2 });

describe('sim/boards', () => {
  const counts: readonly (readonly [string, number | undefined, readonly (readonly [string, number])[]])[] = [
    ['rockpro64', 3, [['rockpro64', 3]]],
    ['rockpro64', undefined, [['rockpro64', 1]]],
    [
      'rockpro64:2,raspberrypi4:1',
      undefined,
      [
        ['rockpro64', 2],
        ['raspberrypi4', 1],
      ],
    ],
    [
      'rockpro64,raspberrypi4:1',
      4,
      [
        ['rockpro64', 3],
        ['raspberrypi4', 1],
      ],
    ],
    ['emulated:1/16:2', undefined, [['0.0625 of a core', 2]]],
    ['12.5', 2, [['12.5 GMAC/s', 2]]],
  ];
  for (const [text, peers, expected] of counts) {
    it(`reads ${text} for ${peers ?? 'as many as it says'}`, () => {
      const names = parseBoards(text, peers, machine).map(({ name }) => name);
      assert.deepEqual(
        names,
        expected.flatMap(([name, count]) => new Array<string>(count).fill(name)),
      );
    });
  }

  for (const text of [
    'rockpro65',
    '',
    'rockpro64:0',
    'rockpro64:x',
    'emulated',
    'emulated:2',
    'emulated:0',
    '-3',
    'rockpro64:1:2',
  ]) {
    it(`refuses "${text}" and says what there is`, () =>
      assert.throws(() => parseBoards(text, 4, machine), {
        code: 'INVALID_ARGUMENT',
        message: /rockpro64, .*emulated/,
      }));
  }
  for (const [text, peers] of [
    ['rockpro64:2', 3],
    ['rockpro64,raspberrypi4', 3],
    ['rockpro64,raspberrypi4:3', 3],
  ] as const) {
    it(`refuses "${text}" for ${peers}`, () =>
      assert.throws(() => parseBoards(text, peers, machine), { code: 'INVALID_ARGUMENT', message: /count/ }));
  }

  it('lets an emulated board compute at the speed of a core for its share of the time, and say so', () => {
    const [board] = parseBoards('emulated:1/16', 1, machine);
    assert.equal(board!.kernelMacsPerSecond, 64e9);
    assert.equal(board!.profile.macsPerSecond, 4e9);
    assert.equal(board!.quota!.sliceMs / board!.quota!.periodMs, 1 / 16);
  });

  it('names the source of every figure', () => {
    for (const { source, vgg16Ms } of Object.values(PUBLISHED))
      assert.ok(source.includes(String(Math.round(vgg16Ms))), source);
  });

  it('runs JavaScript no faster on a board whose kernels are better', () => {
    const [plain, better] = ['rockpro64', 'rockpro64-winograd'].map((name) => parseBoards(name, 1, machine)[0]!);
    assert.ok(better!.kernelMacsPerSecond > 2 * plain!.kernelMacsPerSecond);
    assert.deepEqual(better!.overheads, plain!.overheads);
  });
});
