/** `cluster`: one request at a time to a mesh of emulated boards, against the whole model on one of them without a mesh. */
import { setTimeout } from 'node:timers/promises';
import type { PeerId } from '../../src/core/ids.ts';
import { ask, checkAnswer, type Reply } from '../ask.ts';
import { measureBaselines, type Baseline } from '../baseline/measure.ts';
import type { BenchContext } from '../context.ts';
import { prepareMachine, type Boards } from '../emulation/boards.ts';
import { startMetronomes } from '../emulation/metronome.ts';
import { raiseMesh } from '../emulation/raise-mesh.ts';
import { measureCoreSpeed } from '../measure/core-speed.ts';
import { describeMachine, type Load, type Machine } from '../measure/machine.ts';
import { median, sum, summarise, type Summary } from '../measure/statistics.ts';
import { memoryBytes } from '../measure/threads.ts';
import { prepareSubject } from '../subject.ts';
import { account, sharesOf, type Account } from './account.ts';
import { watch, type Use } from '../emulation/watch.ts';

import type { Answers } from '../report.ts';

export interface ClusterOptions {
  readonly peers: number;
  readonly model: string;
  /** Share of a core of each board. */
  readonly cpu: number;
  /** Megabits a second, each way. */
  readonly link: number;
  readonly requests: number;
  /** 0: the planner's choice. */
  readonly parallelism: number;
  /** Further shares of a core to time the whole model on. */
  readonly baselineCpu: readonly number[];
  readonly shape: readonly string[];
}

export interface BoardResult {
  readonly name: string;
  /** Medians of the requests. */
  readonly tiles: number;
  readonly computeMs: number;
  readonly haloBytes: number;
  /** Means of the requests, from the counters of its cable, all headers included. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Means of the requests, of processor time. */
  readonly kernelCpuMs: number;
  readonly otherCpuMs: number;
  /** Share of one core that it takes when nobody asks anything. */
  readonly idleCores: number;
  readonly peakMemoryBytes: number;
}

export interface ClusterResult {
  readonly schema: 'tilemesh.bench.cluster/1';
  readonly machine: Machine;
  readonly setting: ClusterOptions & { readonly macsPerCoreSecond: number };
  readonly baseline: Baseline;
  readonly furtherBaselines: readonly Baseline[];
  /** From the arrival of a request at its entry to the complete answer there. */
  readonly latencyMs: Summary;
  /** The same with the upload of the input and the download of the answer. */
  readonly clientLatencyMs: Summary;
  /** The baseline's time by the mesh's median. */
  readonly speedUp: number;
  /** Speed-up by the number of boards. */
  readonly efficiency: number;
  readonly account: Account;
  readonly plan: { readonly cut: string; readonly blocks: number; readonly participants: number };
  /** Means of the requests. */
  readonly bytes: {
    readonly peerToPeer: number;
    readonly throughEntry: number;
    /** All that boards sent, headers of all layers included. */
    readonly onCables: number;
    /** To and from whoever asks. */
    readonly withClient: number;
  };
  /** Means of the requests, all boards together, of processor time. */
  readonly cpuMs: {
    readonly kernels: number;
    readonly eventLoops: number;
    readonly engine: number;
    readonly other: number;
  };
  readonly boards: readonly BoardResult[];
  /** Share of one core of an idle board, median. */
  readonly idleCores: number;
  readonly answers: Answers;
  /** Requests that took a second coordinator or a second plan, because a peer seemed lost. */
  readonly recoveries: number;
  readonly load: Load;
  readonly formedMs: number;
  readonly requests: readonly {
    readonly entry: PeerId;
    readonly coordinator: PeerId;
    readonly latencyMs: number;
    readonly clientMs: number;
    readonly term: number;
    readonly attempts: number;
  }[];
}

const IDLE_WATCH_MS = 10_000;
/** Requests after the shares of a core are enforced that do not count. */
const PRACTICE = 2;

export async function measureCluster(options: ClusterOptions, context: BenchContext): Promise<ClusterResult> {
  const { cleanUp, signal, progress } = context;
  await prepareMachine(cleanUp);
  await startMetronomes(cleanUp);
  const { model, expected } = await prepareSubject(options, context);
  const [baseline, ...furtherBaselines] = await measureBaselines(model, [options.cpu, ...options.baselineCpu], context);
  const macsPerCoreSecond = await measureCoreSpeed(signal);

  const { boards, formedMs } = await raiseMesh(
    {
      count: options.peers,
      cores: options.cpu,
      linkMbit: options.link,
      parallelism: options.parallelism,
      macsPerCoreSecond,
    },
    { model, expected },
    context,
  );
  progress('watching idle boards');
  const { use: idle } = await watch(boards, () => setTimeout(IDLE_WATCH_MS, undefined, { signal }));

  const differences: number[] = [];
  const askNext = async (turn: number): Promise<Reply> => {
    const reply = await ask(boards.boards[turn % boards.boards.length]!, model, {
      parallelism: options.parallelism,
      signal,
    });
    differences.push(checkAnswer(expected, reply));
    return reply;
  };
  for (let turn = 0; turn < PRACTICE; turn++) await askNext(turn);
  const { result: replies, use } = await watch(boards, async () => {
    const all: Reply[] = [];
    while (all.length < options.requests) {
      progress(`request ${all.length + 1} of ${options.requests}`);
      all.push(await askNext(PRACTICE + all.length));
    }
    return all;
  });
  const peaks = await Promise.all(boards.boards.map(({ pid }) => memoryBytes(pid, 'peak')));
  return summary({
    options,
    macsPerCoreSecond,
    baseline: baseline!,
    furtherBaselines,
    boards,
    replies,
    use,
    idle,
    peaks,
    formedMs,
    differences,
    tolerance: expected.tolerance,
  });
}

interface Measured {
  readonly options: ClusterOptions;
  readonly macsPerCoreSecond: number;
  readonly baseline: Baseline;
  readonly furtherBaselines: readonly Baseline[];
  readonly boards: Boards;
  readonly replies: readonly Reply[];
  readonly use: Use;
  readonly idle: Use;
  readonly peaks: readonly number[];
  readonly formedMs: number;
  readonly differences: readonly number[];
  readonly tolerance: number;
}

function summary(measured: Measured): ClusterResult {
  const { options, baseline, replies, use, idle, boards } = measured;
  const reports = replies.map(({ report }) => report);
  const latencyMs = summarise(reports.map(({ elapsedMs }) => elapsedMs));
  const speedUp = baseline.meanMs / latencyMs.median;
  const perRequest = (value: number): number => value / replies.length;
  const shares = reports.map(sharesOf);
  const cpu = (of: (index: number) => number): number => perRequest(sum(use.boards.map((_, index) => of(index))));
  const last = reports.at(-1)!;
  return {
    schema: 'tilemesh.bench.cluster/1',
    machine: describeMachine(),
    setting: { ...options, macsPerCoreSecond: measured.macsPerCoreSecond },
    baseline,
    furtherBaselines: measured.furtherBaselines,
    latencyMs,
    clientLatencyMs: summarise(replies.map(({ clientMs }) => clientMs)),
    speedUp,
    efficiency: speedUp / options.peers,
    account: account(reports, {
      boards: options.peers,
      wholeMs: baseline.meanMs,
      linkMbit: options.link,
      wholeCpuMs: baseline.cpuMs,
      kernelCpuMs: cpu((index) => use.boards[index]!.threads.kernelMs),
    }),
    plan: { cut: last.cut, blocks: last.blocks.length, participants: sharesOf(last).size },
    bytes: {
      peerToPeer: perRequest(sum(reports.map(({ bytesPeerToPeer }) => bytesPeerToPeer))),
      throughEntry: perRequest(sum(reports.map(({ bytesThroughEntry }) => bytesThroughEntry))),
      onCables: cpu((index) => use.boards[index]!.sentBytes),
      withClient: perRequest(use.host.sentBytes + use.host.receivedBytes),
    },
    cpuMs: {
      kernels: cpu((index) => use.boards[index]!.threads.kernelMs),
      eventLoops: cpu((index) => use.boards[index]!.threads.eventLoopMs),
      engine: cpu((index) => use.boards[index]!.threads.engineMs),
      other: cpu((index) => use.boards[index]!.threads.otherMs),
    },
    boards: boards.boards.map(({ id, name }, index): BoardResult => {
      const own = shares.map((share) => share.get(id));
      const board = use.boards[index]!;
      return {
        name,
        tiles: median(own.map((share) => share?.tiles ?? 0)),
        computeMs: median(own.map((share) => share?.computeMs ?? 0)),
        haloBytes: median(own.map((share) => share?.receivedBytes ?? 0)),
        sentBytes: perRequest(board.sentBytes),
        receivedBytes: perRequest(board.receivedBytes),
        kernelCpuMs: perRequest(board.threads.kernelMs),
        otherCpuMs: perRequest(board.cpuMs - board.threads.kernelMs),
        idleCores: idle.boards[index]!.cpuMs / idle.spanMs,
        peakMemoryBytes: measured.peaks[index]!,
      };
    }),
    idleCores: median(idle.boards.map(({ cpuMs }) => cpuMs / idle.spanMs)),
    answers: {
      checked: measured.differences.length,
      largestDifference: Math.max(...measured.differences),
      tolerance: measured.tolerance,
    },
    recoveries: reports.filter(({ term, attempts }) => term > 1 || attempts > 1).length,
    load: use.load,
    formedMs: measured.formedMs,
    requests: replies.map(({ clientMs, report }) => ({
      entry: report.entry,
      coordinator: report.coordinator,
      latencyMs: report.elapsedMs,
      clientMs,
      term: report.term,
      attempts: report.attempts,
    })),
  };
}
