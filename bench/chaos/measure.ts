/** `chaos`: a mesh under load while boards die, freeze, are cut off and slowed down; every answer is checked. */
import { setTimeout } from 'node:timers/promises';
import { MeshError } from '../../src/core/errors.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import { openWholeModel } from '../../demo/whole-model.ts';
import { verifyInputs } from '../../src/cli/verify-inputs.ts';
import type { BenchContext } from '../context.ts';
import { Boards, prepareMachine } from '../emulation/boards.ts';
import { measureCoreSpeed } from '../measure/core-speed.ts';
import { describeMachine, watchLoad, type Load, type Machine } from '../measure/machine.ts';
import { prepareSubject, type SubjectOptions } from '../subject.ts';
import { Clients, type Call } from './clients.ts';
import type { Fault, FaultKind } from './faults.ts';
import { judge, latencyOf, type Latency, type Verdict } from './history.ts';
import { haunt } from './nemesis.ts';

export interface ChaosOptions extends SubjectOptions {
  readonly peers: number;
  /** Share of a core of each board; 0: as much as it can get. */
  readonly cpu: number;
  /** Megabits a second, each way. */
  readonly link: number;
  readonly minutes: number;
  /** Seconds from one fault to the next. */
  readonly every: number;
  /** None: all of them. */
  readonly fault: readonly FaultKind[];
  /** Requests as a share of what the mesh can answer. */
  readonly load: number;
  /** Over how many boards to cut. */
  readonly parallelism: number;
  readonly seed: number;
}

export interface ChaosResult {
  readonly schema: 'tilemesh.bench.chaos/1';
  readonly machine: Machine;
  readonly setting: ChaosOptions;
  /** Requests a second that the mesh answers when nothing is wrong and clients ask all the time. */
  readonly capacityPerSecond: number;
  /** Requests a second that were asked. */
  readonly askedPerSecond: number;
  /** At that rate, before anything went wrong. */
  readonly undisturbed: Latency;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly verdict: Verdict;
  /** From the end of the last fault until every board saw every other one alive. */
  readonly healedMs: number;
  readonly load: Load;
}

const INPUTS = 16;
const CLIENTS = 8;
const CAPACITY_MS = 10_000;
const MIN_CALM_MS = 10_000;
const CALM_SHARE = 0.1;
const MINUTE_MS = 60_000;
const WARM_CALLS = 8;
/** The same engine, on other cuts. */
const TOLERANCE = 1e-5;
/** Requests under way when the last fault ends are waited for. */
const AFTER_MS = 3_000;

interface Sample {
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly expected: ReadonlyMap<string, Tensor>;
}

export async function measureChaos(options: ChaosOptions, context: BenchContext): Promise<ChaosResult> {
  const { cleanUp, signal, progress, folder } = context;
  await prepareMachine(cleanUp);
  const { model, expected } = await prepareSubject(options, context);
  const samples = await makeSamples(model.folder, options.shape);
  const macsPerCoreSecond = await measureCoreSpeed(signal);
  progress(`starting ${options.peers} boards`);
  const boards = await Boards.start(
    {
      count: options.peers,
      cores: options.cpu === 0 ? null : options.cpu,
      linkMbit: options.link,
      macsPerCoreSecond,
      model,
    },
    folder,
    cleanUp,
    signal,
  );
  await boards.formMesh(signal);
  for (let number = 1; number <= options.peers; number++) await boards.limitBoard(number, boards.cores);
  const inputs = samples.map((sample) => sample.inputs);
  const { parallelism, seed } = options;
  const clients = new Clients({ boards: () => boards.boards, model, inputs, parallelism, seed });
  progress('warming up');
  for (let turn = 0; turn < WARM_CALLS * options.peers; turn++) await clients.call(signal);
  const capacityPerSecond = await clients.capacity(CLIENTS, CAPACITY_MS, signal);
  const perSecond = capacityPerSecond * options.load;
  const lastsMs = options.minutes * MINUTE_MS;
  progress(`${perSecond.toFixed(1)} requests a second, nothing wrong`);
  const calm = await clients.keepAsking(perSecond, Math.max(MIN_CALM_MS, lastsMs * CALM_SHARE), signal);

  const loadOf = await watchLoad();
  const faults: Partial<Record<FaultKind, number>> = {};
  let count = 0;
  const onFault = ({ kind, boards: hit }: Fault): void => {
    faults[kind] = (faults[kind] ?? 0) + 1;
    progress(`fault ${++count}: ${kind} of board ${hit.join(', ')}`);
  };
  const nemesis = { kinds: options.fault, everyMs: options.every * 1_000, forMs: lastsMs, seed };
  const [calls, { incidents, healedMs }] = await Promise.all([
    clients.keepAsking(perSecond, lastsMs + AFTER_MS, signal),
    haunt(boards, nemesis, signal, onFault).then(async (incidents) => ({
      incidents,
      healedMs: await boards.formMesh(signal),
    })),
  ]);
  signal.throwIfAborted();
  const wanted = samples.map((sample) => sample.expected);
  return {
    schema: 'tilemesh.bench.chaos/1',
    machine: describeMachine(),
    setting: options,
    capacityPerSecond,
    askedPerSecond: perSecond,
    undisturbed: calmLatency(calm),
    faults,
    verdict: judge([...calm, ...calls], incidents, wanted, Math.max(TOLERANCE, expected.tolerance)),
    healedMs,
    load: await loadOf(),
  };
}

function calmLatency(calm: readonly Call[]): Latency {
  const latency = latencyOf(calm);
  if (latency === null) throw new MeshError('UNAVAILABLE', 'no request was answered although nothing was wrong');
  return latency;
}

/** Random inputs, and what ONNX Runtime answers to them on the whole model. */
async function makeSamples(folder: string, shape: readonly string[]): Promise<readonly Sample[]> {
  const whole = await openWholeModel(folder);
  const samples: Sample[] = [];
  for (let seed = 1; seed <= INPUTS; seed++) {
    const { inputs } = await verifyInputs(whole.graph, { shape, seed });
    samples.push({ inputs, expected: (await whole.run(inputs)).outputs });
    await setTimeout(0);
  }
  return samples;
}

/** What must not be, in one line; undefined when all is well. */
export function chaosFailure({ verdict }: ChaosResult): string | undefined {
  const { requests, lost, wrong, duplicated } = verdict;
  if (lost + wrong + duplicated === 0) return undefined;
  return `of ${requests} requests ${lost} were lost, ${wrong} answered wrongly, ${duplicated} answered twice and not alike`;
}
