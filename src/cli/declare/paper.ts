/** Commands that need no peer: what a model would be cut into, and whether the cuts are right. */
import type { Command } from 'commander';
import type { SimulateOptions } from '../commands/simulate.ts';
import type { VerifyOptions } from '../commands/verify.ts';
import type { PaperOptions } from '../model-on-paper.ts';
import { append, examples, jsonOption, numberWithin, parseParallelism, parseParts, parseSeed } from '../options.ts';
import type { Terminal } from '../terminal.ts';

/** Boards, cables and cuts to plan for. */
const onPaper = (command: Command): Command =>
  command
    .option(
      '--peers <count>',
      'number of boards (default: 24, or as many as --board counts)',
      numberWithin(1, 10_000, true),
    )
    .option(
      '--board <kinds>',
      'rockpro64, rockpro64-winograd, raspberrypi4, emulated:1/16 (of a core of this machine), GMAC/s; or kinds with counts',
      'rockpro64',
    )
    .option('--link <rate>', '1gbit, 100mbit or megabits a second', '1gbit')
    .option('--parallelism <peers>', '"auto", or over how many boards to cut it', parseParallelism, 'auto')
    .option('--memory <megabytes>', 'that each board may hold', numberWithin(1, 1e6, false))
    .option('--shape <name=1,3,224,224>', 'shape of an input; may be repeated', append, [])
    .option(
      '--core-speed <gmacs>',
      'of a core that boards are emulated on (default: measured here)',
      numberWithin(0.01, 1e5, false),
    )
    .option('--svg <file>', 'draw it')
    .addOption(jsonOption());

export function addVerify(program: Command, terminal: Terminal): void {
  program
    .command('verify')
    .description('cut a model in every way on this machine and compare each answer with that of the whole')
    .argument('<file>', 'an ONNX file; its external data beside it')
    .option('--inputs <folder>', 'NAME.npy for each input of the network (default: random)')
    .option('--parts <numbers>', 'how many parts to cut into', parseParts, [2, 3, 5, 8])
    .option('--shape <name=1,3,224,224>', 'shape of a random input; may be repeated', append, [])
    .option('--seed <number>', 'of the random inputs', parseSeed)
    .addOption(jsonOption())
    .addHelpText(
      'before',
      examples([
        'npx tilemesh verify model.onnx',
        'npx tilemesh verify detector.onnx --shape x=1,3,640,640 --parts 2,4',
      ]),
    )
    .action(async (file: string, options: VerifyOptions) => {
      const { verifyCommand } = await import('../commands/verify.ts');
      return verifyCommand(terminal, file, options);
    });
}

export function addPlan(program: Command, terminal: Terminal): void {
  onPaper(
    program
      .command('plan')
      .description('how a model would be cut over boards, what that costs, and why not otherwise')
      .argument('<model>', 'a model that comes with the program, or an ONNX file'),
  )
    .addHelpText(
      'before',
      examples([
        'npx tilemesh plan vgg16 --peers 24 --board rockpro64',
        'npx tilemesh plan model.onnx --board rockpro64:20,raspberrypi4:4 --svg plan.svg',
      ]),
    )
    .action(async (model: string, options: PaperOptions) => {
      const { planCommand } = await import('../commands/plan.ts');
      return planCommand(terminal, model, options);
    });
}

export function addSimulate(program: Command, terminal: Terminal): void {
  onPaper(
    program
      .command('simulate')
      .description('how a mesh of boards would do, in virtual time: latency, throughput, losses')
      .requiredOption('--model <model>', 'a model that comes with the program, or an ONNX file'),
  )
    .option('--planned-link <rate>', 'what plans are made for; peers take every link for 1gbit', '1gbit')
    .option('--requests <count>', 'one after another', numberWithin(1, 10_000, true), 1)
    .option('--load <rate>', 'requests per second that come on their own', numberWithin(0.001, 1e5, false))
    .option('--clients <count>', 'clients that ask again as soon as they are answered', numberWithin(1, 10_000, true))
    .option('--seconds <seconds>', 'how long load and clients last', numberWithin(0.1, 3600, false), 30)
    .option('--kill <board@ms>', 'a board that vanishes, as 3@120 or coordinator@120; may be repeated', append, [])
    .option('--noticed-after <ms>', 'until the others know of it (default: 17)', numberWithin(0, 60_000, false))
    .option(
      '--mesh-size <peers>',
      'divide the boards into meshes of so many (default and limit: 256)',
      numberWithin(1, 256, true),
    )
    .option(
      '--cores <count>',
      'that emulated boards share (default: those of this machine)',
      numberWithin(1, 1024, true),
    )
    .option(
      '--tick <ms>',
      'least time that an emulated board runs before it is stalled (default: 4)',
      numberWithin(0.1, 100, false),
    )
    .option(
      '--overhead <name=ms>',
      'tile, message, byte: measured ones of emulated boards; may be repeated',
      append,
      [],
    )
    .option('--seed <number>', 'of arrivals, entries and phases', parseSeed, 1)
    .addHelpText(
      'before',
      examples([
        'npx tilemesh simulate --model vgg16 --peers 24 --board rockpro64 --link 1gbit',
        'npx tilemesh simulate --model vgg16 --peers 24 --kill coordinator@150 --svg loss.svg',
        'npx tilemesh simulate --model vgg16 --peers 24 --load 3 --seconds 60',
        'npx tilemesh simulate --model vgg16 --board emulated:1/16 --peers 8 --link 83mbit',
      ]),
    )
    .action(async (options: SimulateOptions) => {
      const { simulateCommand } = await import('../commands/simulate.ts');
      return simulateCommand(terminal, options);
    });
}
