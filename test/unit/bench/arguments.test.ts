import assert from 'node:assert/strict';
import { InvalidArgumentError } from 'commander';
import { parseCores, parseCount, parseMbit, parseParallelism } from '../../../bench/arguments.ts';
import { createBenchProgram } from '../../../bench/program.ts';
import { checkModelName } from '../../../bench/model.ts';
import { UsageError } from '../../../src/cli/exit.ts';

describe('arguments of the benchmarks', () => {
  for (const [parse, text, expected] of [
    [parseCores, '1/12', 1 / 12],
    [parseCores, '0.25', 0.25],
    [parseCores, '.5', 0.5],
    [parseCores, '2', 2],
    [parseMbit, '940', 940],
    [parseMbit, '83.5', 83.5],
    [parseCount(24), '24', 24],
    [parseParallelism, 'auto', 0],
    [parseParallelism, '8', 8],
  ] as const) {
    it(`reads ${text} as ${expected}`, () => assert.equal(parse(text), expected));
  }

  for (const [parse, text] of [
    [parseCores, ''],
    [parseCores, '0'],
    [parseCores, '1/0'],
    [parseCores, '-1'],
    [parseCores, '1/12/2'],
    [parseCores, 'half'],
    [parseCores, '1e9'],
    [parseMbit, ''],
    [parseMbit, '0'],
    [parseMbit, 'fast'],
    [parseCount(24), '25'],
    [parseCount(24), '0'],
    [parseCount(24), '1.5'],
    [parseCount(24), ''],
    [parseParallelism, '0'],
    [parseParallelism, 'all'],
  ] as const) {
    it(`refuses "${text}" for ${parse.name || 'a count'}`, () => {
      assert.throws(() => parse(text), InvalidArgumentError);
    });
  }

  it('knows the networks that come with tilemesh and files, and names them otherwise', () => {
    assert.equal(checkModelName('vgg16'), 'vgg16');
    assert.equal(checkModelName('some/file.onnx'), 'some/file.onnx');
    assert.throws(
      () => checkModelName('vgg'),
      (error) => error instanceof UsageError && error.message.includes('lenet5, alexnet'),
    );
  });

  for (const [words, expected] of [
    [['cluster'], /--peers <number>' not specified/],
    [['cluster', '--peers', 'many'], /'many' is invalid\. a whole number from 1 to/],
    [['cluster', '--peers', '2', '--cpu', 'x'], /'x' is invalid\. a share of a core/],
    [['fly'], /unknown command 'fly'/],
  ] as const) {
    it(`answers "${words.join(' ')}" with one line`, async () => {
      const lines: string[] = [];
      const program = createBenchProgram({
        out: () => assert.fail('nothing is answered'),
        err: (text) => void lines.push(text),
        isInteractive: false,
        style: (_, text) => text,
        interrupted: new AbortController().signal,
      });
      await assert.rejects(program.parseAsync([...words], { from: 'user' }));
      assert.match(lines.join(''), expected);
      assert.equal(lines.join('').trimEnd().split('\n').length, 1);
    });
  }
});
