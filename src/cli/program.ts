/** The command line: its commands, options, examples. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { PRESET_NAMES } from '../../models/tasks/presets.ts';
import { importCommand, type ImportCommandOptions } from './commands/import.ts';
import { modelsCommand, type ModelsOptions } from './commands/models.ts';
import { peersCommand, type PeersOptions } from './commands/peers.ts';
import { planCommand } from './commands/plan.ts';
import { runCommand, type RunOptions } from './commands/run.ts';
import { simulateCommand, type SimulateOptions } from './commands/simulate.ts';
import { upCommand, type StartPeer, type UpOptions } from './commands/up.ts';
import { verifyCommand, type VerifyOptions } from './commands/verify.ts';
import { addMembership } from './membership-commands.ts';
import type { PaperOptions } from './model-on-paper.ts';
import { apiOption, examples, jsonOption } from './options.ts';
import type { Terminal } from './terminal.ts';

const append = (value: string, previous: readonly string[]): readonly string[] => [...previous, value];

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new InvalidArgumentError('a port is 0 to 65535.');
  return port;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() === '' || !(seconds > 0) || seconds > 86_400) {
    throw new InvalidArgumentError('a deadline is a number of seconds, up to a day.');
  }
  return seconds;
}

function parseParallelism(text: string): string {
  if (text !== 'auto' && !/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('"auto" or a number of peers.');
  return text;
}

function parseParts(text: string): number[] {
  const parts = text.split(',').map(Number);
  if (!parts.every((count) => Number.isInteger(count) && count >= 2 && count <= 64)) {
    throw new InvalidArgumentError('numbers of parts from 2 to 64, with commas in between.');
  }
  return parts;
}

function parseSeed(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('a whole number.');
  return Number(text);
}

const numberWithin =
  (least: number, most: number, isWhole: boolean) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(`a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}.`);
  };

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

export function createProgram(terminal: Terminal, version: string, startPeer: StartPeer): Command {
  const program = new Command('tilemesh')
    .description('A peer-to-peer mesh that runs convolutional networks on a heap of small boards, with no head node.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    .showHelpAfterError('(--help shows how)')
    .addHelpText(
      'before',
      examples([
        'npx tilemesh up                        start a peer; it finds the others by itself',
        'npx tilemesh run lenet5 digit.png      ask the nearest peer',
        'npx tilemesh peers                     who is here, how fast, how loaded',
      ]),
    );
  addUp(program, terminal, startPeer);
  addRun(program, terminal);
  addPeers(program, terminal);
  addModels(program, terminal);
  addImport(program, terminal);
  addVerify(program, terminal);
  addPlan(program, terminal);
  addSimulate(program, terminal);
  addMembership(program, terminal);
  return program;
}

/** Sub-commands take over the settings of the program they are added to. */
function addUp(program: Command, terminal: Terminal, startPeer: StartPeer): void {
  program
    .command('up')
    .description('start a peer on this machine and keep it running')
    .option('--name <name>', 'what the peer calls itself (default: the name of the machine)')
    .option('--api <address>', 'HOST:PORT of the HTTP API (default: 127.0.0.1:8470)')
    .option('--data <folder>', 'where identity and models are kept')
    .option('--mesh <name>', 'peers of the same mesh find each other (default: "default")')
    .option('--listen <port>', 'TCP port for other peers (default: any)', parsePort)
    .option('--bootstrap <address...>', 'addresses of peers, for networks without multicast')
    .addOption(
      new Option('--membership <level>', 'who may join (default: secret)').choices(['open', 'secret', 'pinned']),
    )
    .option('--new', 'begin a mesh even where there is one to join')
    .option('--config <file>', 'configuration (default: mesh.config.ts where there is one)')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .addOption(jsonOption())
    .addHelpText(
      'before',
      examples([
        'npx tilemesh up',
        'npx tilemesh up --name kitchen --api 0.0.0.0:8470',
        'npx tilemesh up --bootstrap /ip4/192.168.1.20/tcp/4001',
      ]),
    )
    .action((options: UpOptions) => upCommand(terminal, options, startPeer));
}

function addRun(program: Command, terminal: Terminal): void {
  program
    .command('run')
    .description('run a model on a picture, a text, a series or arrays')
    .argument('<model>', 'name or id, see "tilemesh models"')
    .argument('[input]', 'a picture, a text (or a file of one), a series (CSV) or a .npy file; - reads standard input')
    .addOption(apiOption())
    .option('--parallelism <peers>', '"auto", or over how many peers to cut it', parseParallelism, 'auto')
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
        'npx tilemesh run mymodel --input x=x.npy --input y=y.npy --output results',
      ]),
    )
    .action((model: string, input: string | undefined, options: RunOptions) =>
      runCommand(terminal, model, input, options),
    );
}

function addPeers(program: Command, terminal: Terminal): void {
  program
    .command('peers')
    .description('who is in the mesh, how fast, how loaded, and what to do when something is wrong')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh peers', 'npx tilemesh peers --json']))
    .action((options: PeersOptions) => peersCommand(terminal, options));
}

function addModels(program: Command, terminal: Terminal): void {
  program
    .command('models')
    .description('what the mesh can run, and who holds it')
    .addOption(apiOption())
    .addOption(jsonOption())
    .addHelpText('before', examples(['npx tilemesh models', 'npx tilemesh models --json']))
    .action((options: ModelsOptions) => modelsCommand(terminal, options));
}

function addImport(program: Command, terminal: Terminal): void {
  program
    .command('import')
    .description('add an ONNX model to the mesh')
    .argument('<file>', 'an ONNX file; its external data beside it')
    .requiredOption('--name <name>', 'what to call it')
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
    .action((file: string, options: ImportCommandOptions) => importCommand(terminal, file, options));
}

function addVerify(program: Command, terminal: Terminal): void {
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
    .action((file: string, options: VerifyOptions) => verifyCommand(terminal, file, options));
}

function addPlan(program: Command, terminal: Terminal): void {
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
    .action((model: string, options: PaperOptions) => planCommand(terminal, model, options));
}

function addSimulate(program: Command, terminal: Terminal): void {
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
    .action((options: SimulateOptions) => simulateCommand(terminal, options));
}
