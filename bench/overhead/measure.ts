/**
 * `overhead`: what a request costs at a mesh of one peer beyond ONNX Runtime alone. The same session options, one thread
 * each, and turns taken, so that whatever slows the machine for a while slows all alike.
 */
import { join } from 'node:path';
import { ask, checkAnswer } from '../ask.ts';
import { WholeModel } from '../baseline/whole-model.ts';
import { sharesOf } from '../cluster/account.ts';
import type { BenchContext } from '../context.ts';
import { startBoard } from '../emulation/board.ts';
import { BOARD_MEMORY_BUDGET_BYTES } from '../emulation/boards.ts';
import { measureCoreSpeed } from '../measure/core-speed.ts';
import { describeMachine, watchLoad, type Load, type Machine } from '../measure/machine.ts';
import { mean, median, summarise, type Summary } from '../measure/statistics.ts';
import { linkModel } from '../model.ts';
import { prepareSubject, type SubjectOptions } from '../subject.ts';

import type { Answers } from '../report.ts';

export interface OverheadOptions extends SubjectOptions {
  /** Turns of each. */
  readonly requests: number;
}

export interface OverheadResult {
  readonly schema: 'tilemesh.bench.overhead/1';
  readonly machine: Machine;
  readonly setting: OverheadOptions;
  /** ONNX Runtime alone, with the session options of the mesh's kernel. */
  readonly bareMs: Summary;
  /** The same with the runtime's own choice of what to pack beforehand. */
  readonly barePrepackedMs: Summary;
  /** From the arrival of a request at the peer to the complete answer there. */
  readonly meshMs: Summary;
  /** Of that, inside the kernel. */
  readonly kernelMs: Summary;
  /** With the upload of the input and the download of the answer. */
  readonly clientMs: Summary;
  /** Median over the turns of the mesh's time by the bare one's of the same turn, less 1. */
  readonly overhead: number;
  readonly overheadOverPrepacked: number;
  readonly kernelOverhead: number;
  readonly plan: string;
  readonly answers: Answers;
  readonly load: Load;
}

const WARM_TURNS = 3;
/** Short runs are timed in series, of which the mean counts. */
const SERIES_MS = 200;
const MAX_SERIES = 64;

interface Turn {
  readonly bareMs: number;
  readonly barePrepackedMs: number;
  readonly meshMs: number;
  readonly kernelMs: number;
  readonly clientMs: number;
}

export async function measureOverhead(options: OverheadOptions, context: BenchContext): Promise<OverheadResult> {
  const { folder, cleanUp, signal, progress } = context;
  const { model, expected } = await prepareSubject(options, context);
  const dataFolder = join(folder, 'peer');
  await linkModel(model, dataFolder);
  progress('starting a peer');
  const board = await startBoard(
    {
      name: 'alone',
      mesh: `bench-${process.pid}`,
      dataFolder,
      api: '127.0.0.1:0',
      macsPerSecond: await measureCoreSpeed(signal),
      memoryBudgetBytes: BOARD_MEMORY_BUDGET_BYTES,
      prefix: [],
    },
    signal,
  );
  cleanUp.defer(() => board.stop());
  const bare = cleanUp.use(new WholeModel(model, [], signal));
  await bare.open('mesh');
  const prepacked = cleanUp.use(new WholeModel(model, [], signal));
  await prepacked.open('default');
  const differences: number[] = [];
  let plan = '';

  const takeTurn = async (series: number): Promise<Turn> => {
    const limits = { minRuns: series, minTotalMs: 0 };
    const bareMs = mean((await bare.run(limits)).wallMs);
    const replies = [];
    for (let run = 0; run < series; run++) {
      const reply = await ask(board, model, { parallelism: 0, signal });
      differences.push(checkAnswer(expected, reply));
      replies.push(reply);
    }
    plan = replies[0]!.report.cut;
    return {
      bareMs,
      meshMs: mean(replies.map(({ report }) => report.elapsedMs)),
      kernelMs: mean(replies.map(({ report }) => sharesOf(report).get(board.id)?.computeMs ?? 0)),
      clientMs: mean(replies.map(({ clientMs }) => clientMs)),
      barePrepackedMs: mean((await prepacked.run(limits)).wallMs),
    };
  };

  progress('warming up');
  let series = 1;
  for (let turn = 0; turn < WARM_TURNS; turn++) {
    const { bareMs } = await takeTurn(1);
    series = Math.min(MAX_SERIES, Math.max(1, Math.round(SERIES_MS / bareMs)));
  }
  const loadSince = await watchLoad();
  const turns: Turn[] = [];
  while (turns.length < options.requests) {
    progress(`turn ${turns.length + 1} of ${options.requests}`);
    turns.push(await takeTurn(series));
  }
  const over = (of: (turn: Turn) => number, base: (turn: Turn) => number): number =>
    median(turns.map((turn) => of(turn) / base(turn))) - 1;
  return {
    schema: 'tilemesh.bench.overhead/1',
    machine: describeMachine(),
    setting: options,
    bareMs: summarise(turns.map(({ bareMs }) => bareMs)),
    barePrepackedMs: summarise(turns.map(({ barePrepackedMs }) => barePrepackedMs)),
    meshMs: summarise(turns.map(({ meshMs }) => meshMs)),
    kernelMs: summarise(turns.map(({ kernelMs }) => kernelMs)),
    clientMs: summarise(turns.map(({ clientMs }) => clientMs)),
    overhead: over(
      ({ meshMs }) => meshMs,
      ({ bareMs }) => bareMs,
    ),
    overheadOverPrepacked: over(
      ({ meshMs }) => meshMs,
      ({ barePrepackedMs }) => barePrepackedMs,
    ),
    kernelOverhead: over(
      ({ kernelMs }) => kernelMs,
      ({ bareMs }) => bareMs,
    ),
    plan,
    answers: {
      checked: differences.length,
      largestDifference: Math.max(...differences),
      tolerance: expected.tolerance,
    },
    load: await loadSince(),
  };
}
