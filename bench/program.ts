/** The command line of the benchmarks. */
import { Command, Option } from 'commander';
import type { ZooName } from '../models/zoo/index.ts';
import type { Terminal } from '../src/cli/terminal.ts';
import { MeshError } from '../src/core/errors.ts';
import {
  append,
  appendZooName,
  parseCores,
  appendCores,
  parseCount,
  parseCounts,
  parseMbit,
  parseNumber,
  parseParallelism,
  parseSome,
} from './arguments.ts';
import { FAULT_KINDS } from './chaos/faults.ts';
import { chaosFailure, measureChaos, type ChaosOptions, type ChaosResult } from './chaos/measure.ts';
import { renderChaos } from './chaos/render.ts';
import { measureCluster, type ClusterOptions } from './cluster/measure.ts';
import { renderCluster } from './cluster/render.ts';
import { inContext, type BenchContext } from './context.ts';
import { MAX_BOARDS } from './emulation/network.ts';
import { measureFidelity } from './fidelity/measure.ts';
import type { FidelityOptions, FidelityResult } from './fidelity/result.ts';
import { renderFidelity } from './fidelity/render.ts';
import { checkModelName } from './model.ts';
import { measureKernels, type KernelsOptions } from './kernels/measure.ts';
import { renderKernels } from './kernels/render.ts';
import { measureOverhead, type OverheadOptions } from './overhead/measure.ts';
import { renderOverhead } from './overhead/render.ts';
import { measureOverload, overloadFailure, type OverloadOptions } from './overload/measure.ts';
import { renderOverload } from './overload/render.ts';
import { measurePair, type PairOptions } from './pair/measure.ts';
import { renderPair } from './pair/render.ts';
import { measurePlanner, type PlannerOptions } from './planner/measure.ts';
import { renderPlanner } from './planner/render.ts';
import { measureRecovery, recoveryFailure, type RecoveryOptions, type RecoveryResult } from './recovery/measure.ts';
import { renderRecovery } from './recovery/render.ts';
import { RECOVERY_KINDS } from './recovery/trial.ts';
import { present, type OutputOptions, type Result } from './report.ts';
import { measureThroughput, type ThroughputOptions } from './throughput/measure.ts';
import { renderThroughput } from './throughput/render.ts';
import { measureWire, type WireOptions } from './wire/measure.ts';
import { renderWire } from './wire/render.ts';

const MAX_REQUESTS = 100_000;
const MAX_PEERS = 10_000;
const MAX_MINUTES = 10_000;
const MAX_SECONDS = 3_600;
const MAX_CLIENTS = 1_000;
const MAX_BLOCK_BYTES = 64 * 2 ** 20;
const GIGABIT = 940;

type Render<R> = (terminal: Terminal, result: R) => string;
type Measure<Options, R> = (options: Options, context: BenchContext) => Promise<R>;

export function createBenchProgram(terminal: Terminal): Command {
  const program = new Command('npm run bench --')
    .description('Measures tilemesh on this machine.')
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err });

  /** A benchmark of that name, with the options that all have. */
  const add = <Options, R extends Result>(
    name: string,
    description: string,
    options: readonly Option[],
    measure: Measure<Options, R>,
    render: Render<R>,
    failureOf: (result: R) => string | undefined = () => undefined,
  ): void => {
    const command = program.command(name).description(description);
    for (const option of options) command.addOption(option);
    command.option('--json', 'answer with one JSON document').option('--save', 'keep the result in bench/results');
    command.action(async ({ json, save, ...rest }: OutputOptions & { readonly model?: unknown }) => {
      if (typeof rest.model === 'string') checkModelName(rest.model);
      const result = await inContext(terminal, (context) => measure(rest as Options, context));
      await present(terminal, result, render, { json, save });
      const failure = failureOf(result);
      if (failure !== undefined) throw new MeshError('INTERNAL', failure);
    });
  };

  add<ClusterOptions, Awaited<ReturnType<typeof measureCluster>>>(
    'cluster',
    'one request at a time to a mesh of emulated boards, against the whole model on one of them',
    [
      peers(),
      model(),
      cpu(),
      link(),
      requests(20),
      parallelism(),
      new Option('--baseline-cpu <share>', 'time the whole model on this share, too; may be repeated')
        .argParser(appendCores)
        .default([]),
      shape(),
    ],
    measureCluster,
    renderCluster,
  );
  add<FidelityOptions, FidelityResult>(
    'fidelity',
    'the simulator against emulated boards, for meshes of several sizes',
    [
      new Option('--peers <numbers>', 'sizes of meshes, with commas in between')
        .argParser(parseCounts(MAX_BOARDS))
        .default([1, 2, 4, 8, 16, 24]),
      model(),
      cpu(),
      link(),
      requests(12),
      new Option('--svg <file>', 'draw it'),
      shape(),
    ],
    measureFidelity,
    renderFidelity,
  );
  add<PairOptions, Awaited<ReturnType<typeof measurePair>>>(
    'pair',
    'two peers on two whole cores against one peer on one core',
    [model(), link(), requests(30), shape()],
    measurePair,
    renderPair,
  );
  add<OverheadOptions, Awaited<ReturnType<typeof measureOverhead>>>(
    'overhead',
    'a mesh of one peer against ONNX Runtime alone',
    [model(), requests(30), shape()],
    measureOverhead,
    renderOverhead,
  );
  add<OverloadOptions, Awaited<ReturnType<typeof measureOverload>>>(
    'overload',
    'answers a second of one peer, and how fast it refuses, with far more clients than it can serve',
    [
      new Option('--clients <numbers>', 'of clients that it takes, with commas in between')
        .argParser(parseCounts(MAX_CLIENTS))
        .default([2, 4, 8, 16]),
      new Option('--crowd <number>', 'of clients that ask at once in the end')
        .argParser(parseCount(MAX_PEERS))
        .default(2_000),
      new Option('--seconds <number>', 'for each number of clients').argParser(parseCount(MAX_SECONDS)).default(10),
    ],
    measureOverload,
    renderOverload,
    overloadFailure,
  );
  add<WireOptions, Awaited<ReturnType<typeof measureWire>>>(
    'wire',
    'goodput and processor time of the data plane against TCP and plain streams',
    [
      new Option('--block <bytes>', 'sizes of blocks, with commas in between')
        .argParser(parseCounts(MAX_BLOCK_BYTES, 4))
        .default([16_384, 262_144, 1_048_576]),
      new Option('--megabytes <number>', 'moved in each series').argParser(parseCount(100_000)).default(500),
      runs(5),
    ],
    measureWire,
    renderWire,
  );
  add<ThroughputOptions, Awaited<ReturnType<typeof measureThroughput>>>(
    'throughput',
    'requests a second and their latency as more clients ask at once, against one board',
    [
      peers(),
      model(),
      cpu(),
      link(),
      new Option('--clients <numbers>', 'of clients that ask at once, with commas in between')
        .argParser(parseCounts(MAX_CLIENTS))
        .default([1, 2, 4, 8]),
      new Option('--seconds <number>', 'for each number of clients').argParser(parseCount(MAX_SECONDS)).default(30),
      parallelism(),
      shape(),
    ],
    measureThroughput,
    renderThroughput,
  );
  add<PlannerOptions, Awaited<ReturnType<typeof measurePlanner>>>(
    'planner',
    'time to plan each network for meshes of several sizes',
    [
      new Option('--model <name>', 'a network that comes with tilemesh; may be repeated (default: all)')
        .argParser(appendZooName)
        .default([] as readonly ZooName[]),
      new Option('--peers <numbers>', 'sizes of meshes, with commas in between')
        .argParser(parseCounts(MAX_PEERS))
        .default([24, 1_000]),
      new Option('--macs-per-second <number>', 'speed of each peer')
        .argParser(parseCount(Number.MAX_SAFE_INTEGER))
        .default(5e9),
      runs(3),
      shape(),
    ],
    measurePlanner,
    renderPlanner,
  );
  add<KernelsOptions, Awaited<ReturnType<typeof measureKernels>>>(
    'kernels',
    '3x3 convolutions by minimal filtering against the direct ones, by layer and by network',
    [
      new Option('--kernel <name>', 'that computes').choices(['onnxruntime', 'wasm']).default('onnxruntime'),
      new Option('--model <name>', 'a network that comes with tilemesh, run whole as well; may be repeated')
        .argParser(appendZooName)
        .default([] as readonly ZooName[]),
      new Option('--zoo', 'run all of them whole'),
      runs(9),
    ],
    measureKernels,
    renderKernels,
  );
  add<ChaosOptions, ChaosResult>(
    'chaos',
    'a mesh under load while its boards die, freeze, are cut off and slowed down; every answer is checked',
    [
      peers().default(8).makeOptionMandatory(false),
      new Option('--model <model>', 'a network that comes with tilemesh, or a file that ends in .onnx').default(
        'lenet5',
      ),
      new Option('--cpu <share>', 'share of a core of each board (default: as much as it can get)')
        .argParser(parseCores)
        .default(0, ''),
      link(),
      new Option('--minutes <number>', 'that it lasts').argParser(parseNumber(0.1, MAX_MINUTES)).default(10),
      new Option('--every <seconds>', 'from one fault to the next').argParser(parseNumber(0.1, MAX_SECONDS)).default(2),
      new Option('--fault <kinds>', `some of ${FAULT_KINDS.join(', ')} (default: all)`)
        .argParser(parseSome(FAULT_KINDS))
        .default([], ''),
      new Option('--load <share>', 'of the requests that the mesh can answer')
        .argParser(parseNumber(0.01, 1))
        .default(0.5),
      new Option('--parallelism <peers>', '"auto", or over how many boards to cut')
        .argParser(parseParallelism)
        .default(3),
      new Option('--seed <number>', 'of what goes wrong').argParser(parseCount(2 ** 31 - 1)).default(1),
      shape(),
    ],
    measureChaos,
    renderChaos,
    chaosFailure,
  );
  add<RecoveryOptions, RecoveryResult>(
    'recovery',
    'what a request takes longer when a board is killed, frozen or slowed down at each stage of it; every answer is checked',
    [
      peers().default(6).makeOptionMandatory(false),
      model(),
      cpu().default(0.2, '0.2'),
      link(),
      new Option('--times <number>', 'for each kind of fault, to a participant and to the coordinator')
        .argParser(parseCount(MAX_REQUESTS))
        .default(10),
      new Option('--fault <kinds>', `some of ${RECOVERY_KINDS.join(', ')}`)
        .argParser(parseSome(RECOVERY_KINDS))
        .default(RECOVERY_KINDS, 'all'),
      parallelism(),
      shape(),
    ],
    measureRecovery,
    renderRecovery,
    recoveryFailure,
  );
  return program;
}

const peers = (): Option =>
  new Option('--peers <number>', 'boards').argParser(parseCount(MAX_BOARDS)).makeOptionMandatory();

const model = (): Option =>
  new Option('--model <model>', 'a network that comes with tilemesh, or a file that ends in .onnx').default('vgg16');

const shape = (): Option =>
  new Option('--shape <name=1,3,224,224>', 'of an input whose size the model leaves open; may be repeated')
    .argParser(append)
    .default([]);

const cpu = (): Option =>
  new Option('--cpu <share>', 'share of a core of each board').argParser(parseCores).default(1 / 12, '1/12');

const link = (): Option =>
  new Option('--link <mbit>', 'line rate of each board, megabits a second each way')
    .argParser(parseMbit)
    .default(GIGABIT);

const requests = (count: number): Option =>
  new Option('--requests <number>', 'requests that are timed').argParser(parseCount(MAX_REQUESTS)).default(count);

const runs = (count: number): Option =>
  new Option('--runs <number>', 'of each').argParser(parseCount(MAX_REQUESTS)).default(count);

const parallelism = (): Option =>
  new Option('--parallelism <peers>', '"auto", or over how many boards to cut')
    .argParser(parseParallelism)
    .default(0, 'auto');
