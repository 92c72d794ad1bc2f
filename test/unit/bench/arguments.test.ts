import assert from 'node:assert/strict';
import { InvalidArgumentError } from 'commander';
import { parseCores, parseCount, parseMbit, parseParallelism, parseSome } from '../../../bench/arguments.ts';
import { createBenchProgram } from '../../../bench/program.ts';
import { checkModelName } from '../../../bench/model.ts';
import type { RecoveryOptions } from '../../../bench/recovery/measure.ts';
import { UsageError } from '../../../src/cli/exit.ts';
import { recordingTerminal } from '../../support/terminal.ts';

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
    [parseSome(['kill', 'slow']), ''],
    [parseSome(['kill', 'slow']), 'kill,stop'],
  ] as const) {
    it(`refuses "${text}" for ${parse.name || 'a count'}`, () => {
      assert.throws(() => parse(text), InvalidArgumentError);
    });
  }

  it('reads some of the words that are known, in their order, each once', () => {
    assert.deepEqual(parseSome(['kill', 'freeze', 'slow'])('slow,kill,slow'), ['kill', 'slow']);
  });

  it('runs the recovery bench with all kinds of faults, ten times each, unless told otherwise', () => {
    const program = createBenchProgram(recordingTerminal().terminal);
    const recovery = program.commands.find((command) => command.name() === 'recovery')!;
    const { peers, model, times, fault, parallelism } = recovery.opts<RecoveryOptions>();
    assert.deepEqual({ peers, model, times, fault, parallelism }, {
      peers: 6, model: 'vgg16', times: 10, fault: ['kill', 'freeze', 'slow'], parallelism: 0,
    }); // prettier-ignore
    const known = recovery.options.map(({ long }) => long);
    for (const option of ['--peers', '--cpu', '--times', '--fault', '--json', '--save'])
      assert.ok(known.includes(option));
  });

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
    [['recovery', '--fault', 'stop'], /'stop' is invalid\. some of kill, freeze, slow/],
    [['recovery', '--times', '0'], /'0' is invalid\. a whole number from 1 to/],
    [['overload', '--crowd', 'x'], /'x' is invalid\. a whole number from 1 to/],
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
