/**
 * `pair`: two peers on two whole cores against one peer on one core, and against ONNX Runtime alone on one core. No core is
 * divided here, so this is what two real boards of such cores would do.
 */
import { ask, checkAnswer, type Reply } from '../ask.ts';
import { WholeModel, type Times } from '../baseline/whole-model.ts';
import { account, type Account } from '../cluster/account.ts';
import type { BenchContext } from '../context.ts';
import { prepareMachine, type Boards } from '../emulation/boards.ts';
import { withMesh } from '../emulation/raise-mesh.ts';
import { watch, type Use } from '../emulation/watch.ts';
import { measureCoreSpeed } from '../measure/core-speed.ts';
import { describeMachine, type Load, type Machine } from '../measure/machine.ts';
import { mean, median, sum, summarise, type Summary } from '../measure/statistics.ts';
import type { Answers } from '../report.ts';
import { prepareSubject, type Subject, type SubjectOptions } from '../subject.ts';

export interface PairOptions extends SubjectOptions {
  readonly requests: number;
  /** Megabits a second, each way. */
  readonly link: number;
}

export interface PairResult {
  readonly schema: 'tilemesh.bench.pair/1';
  readonly machine: Machine;
  readonly setting: PairOptions;
  /** ONNX Runtime alone, one thread, on the core of the first board. */
  readonly bareMs: Summary;
  readonly oneMs: Summary;
  readonly twoMs: Summary;
  /** One peer's median by that of two. */
  readonly speedUp: number;
  readonly speedUpOverBare: number;
  readonly account: Account;
  readonly plan: string;
  /** Means of the requests, both boards together, of processor time. */
  readonly cpuMs: { readonly kernels: number; readonly rest: number };
  /** Mean of the requests. */
  readonly bytesOnCables: number;
  readonly answers: Answers;
  readonly load: Load;
}

const PRACTICE = 3;

/** Keeps a command on one core. */
const onCore = (core: number): readonly string[] => ['taskset', '--cpu-list', String(core)];

export async function measurePair(options: PairOptions, context: BenchContext): Promise<PairResult> {
  const { cleanUp, signal, progress } = context;
  await prepareMachine(cleanUp);
  const subject = await prepareSubject(options, context);
  const macsPerCoreSecond = await measureCoreSpeed(signal);
  progress('ONNX Runtime alone');
  const bare = await timeBare(subject, options.requests, signal);
  const differences: number[] = [];

  const timeBoards = (count: number) =>
    withMesh(
      {
        count,
        cores: null,
        linkMbit: options.link,
        macsPerCoreSecond,
        parallelism: count,
        placement: (board) => onCore(board - 1),
      },
      subject,
      context,
      async ({ boards }) => {
        const askNext = async (turn: number): Promise<Reply> => {
          const reply = await ask(entryOf(boards, turn), subject.model, { parallelism: count, signal });
          differences.push(checkAnswer(subject.expected, reply));
          return reply;
        };
        for (let turn = 0; turn < PRACTICE; turn++) await askNext(turn);
        return watch(boards, async () => {
          const replies: Reply[] = [];
          while (replies.length < options.requests) {
            progress(`${count} of 2 boards, request ${replies.length + 1} of ${options.requests}`);
            replies.push(await askNext(replies.length));
          }
          return replies;
        });
      },
    );

  const one = await timeBoards(1);
  const two = await timeBoards(2);
  const times = (replies: readonly Reply[]): Summary => summarise(replies.map(({ report }) => report.elapsedMs));
  const [oneMs, twoMs] = [times(one.result), times(two.result)];
  const perRequest = usePerRequest(two.use, options.requests);
  return {
    schema: 'tilemesh.bench.pair/1',
    machine: describeMachine(),
    setting: options,
    bareMs: summarise(bare.wallMs),
    oneMs,
    twoMs,
    speedUp: oneMs.median / twoMs.median,
    speedUpOverBare: median(bare.wallMs) / twoMs.median,
    account: account(
      two.result.map(({ report }) => report),
      {
        boards: 2,
        wholeMs: median(bare.wallMs),
        linkMbit: options.link,
        wholeCpuMs: mean(bare.cpuMs),
        kernelCpuMs: perRequest.cpuMs.kernels,
        inputBytes: sum([...subject.model.inputs.values()].map(({ bytes }) => bytes.byteLength)),
      },
    ),
    plan: two.result.at(-1)!.report.cut,
    ...perRequest,
    answers: {
      checked: differences.length,
      largestDifference: Math.max(...differences),
      tolerance: subject.expected.tolerance,
    },
    load: two.use.load,
  };
}

const entryOf = ({ boards }: Boards, turn: number) => boards[turn % boards.length]!;

async function timeBare({ model }: Subject, runs: number, signal: AbortSignal): Promise<Times> {
  await using bare = new WholeModel(model, onCore(0), signal);
  await bare.open('mesh');
  await bare.run({ minRuns: PRACTICE, minTotalMs: 0 });
  return await bare.run({ minRuns: runs, minTotalMs: 0 });
}

function usePerRequest({ boards }: Use, requests: number): Pick<PairResult, 'cpuMs' | 'bytesOnCables'> {
  const kernels = sum(boards.map(({ threads }) => threads.kernelMs));
  const all = sum(boards.map(({ cpuMs }) => cpuMs));
  return {
    cpuMs: { kernels: kernels / requests, rest: (all - kernels) / requests },
    bytesOnCables: sum(boards.map(({ sentBytes }) => sentBytes)) / requests,
  };
}
