/** The command line of the benchmarks. */
import { Command, Option } from 'commander';
import type { Terminal } from '../src/cli/terminal.ts';
import { append, appendCores, parseCores, parseCount, parseMbit, parseParallelism } from './arguments.ts';
import { measureCluster, type ClusterOptions } from './cluster/measure.ts';
import { renderCluster } from './cluster/render.ts';
import { inContext } from './context.ts';
import { MAX_BOARDS } from './emulation/network.ts';
import { checkModelName } from './model.ts';
import { present, type OutputOptions } from './report.ts';

const MAX_REQUESTS = 100_000;

const modelOption = (): Option =>
  new Option('--model <model>', 'a network that comes with tilemesh, or a file that ends in .onnx').default('vgg16');

const shapeOption = (): Option =>
  new Option('--shape <name=1,3,224,224>', 'of an input whose size the model leaves open; may be repeated')
    .argParser(append)
    .default([]);

const output = (command: Command): Command =>
  command.option('--json', 'answer with one JSON document').option('--save', 'keep the result in bench/results');

export function createBenchProgram(terminal: Terminal): Command {
  const program = new Command('npm run bench --')
    .description('Measures tilemesh on this machine.')
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err });
  addCluster(program, terminal);
  return program;
}

function addCluster(program: Command, terminal: Terminal): void {
  output(
    program
      .command('cluster')
      .description('one request at a time to a mesh of emulated boards, against the whole model on one of them')
      .requiredOption('--peers <number>', 'boards', parseCount(MAX_BOARDS))
      .addOption(modelOption())
      .option('--cpu <share>', 'share of a core of each board', parseCores, 1 / 12)
      .option('--link <mbit>', 'line rate of each board, megabits a second each way', parseMbit, 940)
      .option('--requests <number>', 'requests that are timed', parseCount(MAX_REQUESTS), 20)
      .option('--parallelism <peers>', '"auto", or over how many boards to cut', parseParallelism, 0)
      .option('--baseline-cpu <share>', 'time the whole model on this share, too; may be repeated', appendCores, [])
      .addOption(shapeOption()),
  ).action(async ({ json, save, ...options }: ClusterOptions & OutputOptions) => {
    checkModelName(options.model);
    const result = await inContext(terminal, (context) => measureCluster(options, context));
    await present(terminal, result, renderCluster, { json, save });
  });
}
