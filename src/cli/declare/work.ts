/** Commands about models and requests. */
import { Option, type Command } from 'commander';
import { PRESET_NAMES } from '../../../models/tasks/preset-names.ts';
import type { BenchOptions } from '../commands/bench.ts';
import type { ImportCommandOptions } from '../commands/import.ts';
import type { ModelsOptions } from '../commands/models.ts';
import type { PullOptions } from '../commands/pull.ts';
import type { RemoveOptions } from '../commands/remove.ts';
import type { RequestsOptions } from '../commands/requests.ts';
import type { RunOptions } from '../commands/run.ts';
import type { TraceOptions } from '../commands/trace.ts';
import {
  apiOption,
  append,
  examples,
  jsonOption,
  numberWithin,
  parseModelName,
  parseParallelism,
  parseParallelisms,
  parseSeconds,
  parseSeed,
  plainOption,
} from '../options.ts';
import type { Terminal } from '../terminal.ts';

export function addRun(program: Command, terminal: Terminal): void {
  program
    .command('run')
    .description('run a model on a picture, a text, a series or arrays')
    .argument('<model>', 'name or id, see "tilemesh models"')
    .argument('[input]', 'a picture, a text (or a file of one), a series (CSV) or a .npy file; - reads standard input')
    .addOption(apiOption())
    .option('--parallelism <peers>', '"auto", or over how many peers to cut it', parseParallelism, 'auto')
    .addOption(
      new Option('--verify <what>', 'all: have other peers confirm the answer; share: some of them, as the peer is set')
        .choices(['all', 'share'])
        .default('share'),
    )
    .option('--input <name=file.npy>', 'an array for one input of the network; may be repeated', append, [])
    .option('--output <folder>', 'write the output tensors there as .npy files')
    .option('--deadline <seconds>', 'give up after so long', parseSeconds)
    .addOption(jsonOption())
    .addHelpText(
      'before',
      examples([
        'npx tilemesh run lenet5 digit.png',
        'npx tilemesh run language "Bonjour tout le monde"',
        'npx tilemesh run forecast temperatures.csv',
        'npx tilemesh run ocr page.png',
        'npx tilemesh run face photo.jpg',
        'npx tilemesh run vgg16 photo.jpg --parallelism 4',
        'npx tilemesh run vgg16 photo.jpg --verify all',
        'npx tilemesh run mymodel --input x=x.npy --input y=y.npy --output results',
      ]),
    )
    .action(async (model: string, input: string | undefined, options: RunOptions) => {
      const { runCommand } = await import('../commands/run.ts');
      return runCommand(terminal, model, input, options);
    });
}

export function addBench(program: Command, terminal: Terminal): void {
  const bench = program
    .command('bench')
    .description('how fast the mesh answers a model: latencies and answers a second, whole or cut over so many peers')
    .argument('<model>', 'name or id, see "tilemesh models"')
    .argument('[input]', 'as for "tilemesh run" (default: random arrays)')
    .option('-n, --requests <count>', 'how many are counted, after one that is not', numberWithin(1, 1e6, true), 50)
    .option(
      '-c, --clients <count>',
      'clients that ask again as soon as they are answered',
      numberWithin(1, 1000, true),
      1,
    )
    .option(
      '--parallelism <peers,...>',
      '"auto", or over how many peers to cut it; a row for each',
      parseParallelisms,
      ['auto'],
    ) // prettier-ignore
    .option('--shape <name=1,3,224,224>', 'shape of a random input; may be repeated', append, [])
    .option('--seed <number>', 'of the random inputs', parseSeed, 1)
    .option('--deadline <seconds>', 'that each request has', parseSeconds, 60)
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText(
      'before',
      examples([
        'npx tilemesh bench lenet5',
        'npx tilemesh bench vgg16 photo.jpg --requests 20 --parallelism 1,2,4',
        'npx tilemesh bench lenet5 --clients 8 --requests 1000 --json',
      ]),
    )
    .action(async (model: string, input: string | undefined, options: BenchOptions) => {
      const { benchCommand } = await import('../commands/bench.ts');
      return benchCommand(terminal, model, input, options);
    });
  bench
    .command('kernels')
    .description('how fast this machine computes layers, and which ones fast arithmetic filters (in a checkout)')
    .argument('[options...]', 'as for "npm run bench -- kernels"')
    .allowUnknownOption()
    .helpOption(false)
    .addHelpText('before', examples(['npx tilemesh bench kernels', 'npx tilemesh bench kernels --json']))
    .action(async (args: readonly string[]) => {
      const { benchKernelsCommand } = await import('../commands/bench-kernels.ts');
      return benchKernelsCommand(args, terminal.interrupted);
    });
}

export function addModels(program: Command, terminal: Terminal): void {
  program
    .command('models')
    .description('what the mesh can run, and who holds it')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addOption(plainOption())
    .addHelpText('before', examples(['npx tilemesh models', 'npx tilemesh models --json']))
    .action(async (options: ModelsOptions) => {
      const { modelsCommand } = await import('../commands/models.ts');
      return modelsCommand(terminal, options);
    });
}

export function addImport(program: Command, terminal: Terminal): void {
  program
    .command('import')
    .description('add an ONNX model to the mesh')
    .argument('<file>', 'an ONNX file; its external data beside it')
    .requiredOption('--name <name>', 'what to call it', parseModelName)
    .addOption(new Option('--task <task>', 'how pictures go in and answers come out').choices(PRESET_NAMES))
    .option('--description <text>', 'one line about it')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText(
      'before',
      examples([
        'npx tilemesh import model.onnx --name mymodel',
        'npx tilemesh import resnet18.onnx --name resnet --task imagenet',
        'npx tilemesh import ch_PP-OCRv4_det_infer.onnx --name text-finder --task ppocr-detection',
      ]),
    )
    .action(async (file: string, options: ImportCommandOptions) => {
      const { importCommand } = await import('../commands/import.ts');
      return importCommand(terminal, file, options);
    });
}

export function addTrace(program: Command, terminal: Terminal): void {
  program
    .command('trace')
    .description('what happened in a request: who computed what when, and what moved')
    .argument('<request>', 'id of a request, the beginning of one, or "last": see "tilemesh ps --all"')
    .option('--output <file>', 'write a Chrome trace there (open it in ui.perfetto.dev); - is standard output')
    .option('--svg <file>', 'draw it there')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText(
      'before',
      examples([
        'npx tilemesh trace last',
        'npx tilemesh trace last --svg request.svg',
        'npx tilemesh trace 4f1c --output request.json      for ui.perfetto.dev',
      ]),
    )
    .action(async (request: string, options: TraceOptions) => {
      const { traceCommand } = await import('../commands/trace.ts');
      return traceCommand(terminal, request, options);
    });
}

export function addRequests(program: Command, terminal: Terminal): void {
  program
    .command('ps')
    .description('requests in flight in the whole mesh')
    .option('--all', 'those of late that have ended, too')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addOption(plainOption())
    .addHelpText('before', examples(['npx tilemesh ps', 'npx tilemesh ps --all']))
    .action(async (options: RequestsOptions) => {
      const { requestsCommand } = await import('../commands/requests.ts');
      return requestsCommand(terminal, options);
    });
}

export function addPull(program: Command, terminal: Terminal): void {
  program
    .command('pull')
    .description('have a peer fetch all weights of a model, so that no request has to wait for them')
    .argument('<model>', 'name or id, see "tilemesh models"')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh pull vgg16', 'npx tilemesh pull vgg16 --api board-7:8470']))
    .action(async (model: string, options: PullOptions) => {
      const { pullCommand } = await import('../commands/pull.ts');
      return pullCommand(terminal, model, options);
    });
}

export function addRemove(program: Command, terminal: Terminal): void {
  program
    .command('rm')
    .description('delete a model from the disk of a peer; other peers keep what they hold')
    .argument('<model>', 'name or id, see "tilemesh models"')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh rm vgg16', 'npx tilemesh rm vgg16 --api board-7:8470']))
    .action(async (model: string, options: RemoveOptions) => {
      const { removeCommand } = await import('../commands/remove.ts');
      return removeCommand(terminal, model, options);
    });
}
