/** `fidelity`: what the simulator says of emulated boards, against what is measured on them. */
import { writeFile } from 'node:fs/promises';
import { openPaperModel, type PaperModel } from '../../src/cli/model-on-paper.ts';
import { GIGABIT } from '../../src/core/cost/cost-model.ts';
import { emulatedBoard } from '../../src/sim/boards.ts';
import { parseLink } from '../../src/sim/links.ts';
import { simulate } from '../../src/sim/simulate.ts';
import { ask, checkAnswer } from '../ask.ts';
import { measureBaselines } from '../baseline/measure.ts';
import type { BenchContext } from '../context.ts';
import { prepareMachine } from '../emulation/boards.ts';
import { GRANT_MS, startMetronomes } from '../emulation/metronome.ts';
import { withMesh } from '../emulation/raise-mesh.ts';
import { measureCoreSpeed } from '../measure/core-speed.ts';
import { describeMachine, watchLoad } from '../measure/machine.ts';
import { median, summarise } from '../measure/statistics.ts';
import { prepareSubject } from '../subject.ts';
import { drawFidelity } from './draw.ts';
import type { Agreement, FidelityOptions, FidelityResult } from './result.ts';

/** Requests after the shares of a core are enforced that do not count. */
const PRACTICE = 2;

export async function measureFidelity(options: FidelityOptions, context: BenchContext): Promise<FidelityResult> {
  const { cleanUp, signal, progress } = context;
  await prepareMachine(cleanUp);
  await startMetronomes(cleanUp);
  const subject = await prepareSubject(options, context);
  const paper = await openPaperModel(options.model, options.shape);
  const [baseline] = await measureBaselines(subject.model, [options.cpu], context);
  const macsPerCoreSecond = await measureCoreSpeed(signal);
  const sizes: Agreement[] = [];
  for (const count of options.peers) {
    const mesh = { count, cores: options.cpu, linkMbit: options.link, macsPerCoreSecond, parallelism: 0 };
    const measured = await withMesh(mesh, subject, context, async ({ boards: { boards } }) => {
      const times: number[] = [];
      let predictedMs = 0;
      const loadOf = await watchLoad();
      for (let turn = 0; turn < PRACTICE + options.requests; turn++) {
        progress(`${count} boards: request ${turn + 1} of ${PRACTICE + options.requests}`);
        const reply = await ask(boards[turn % count]!, subject.model, { parallelism: 0, signal });
        checkAnswer(subject.expected, reply);
        predictedMs = reply.report.predictedMs;
        if (turn >= PRACTICE) times.push(reply.report.elapsedMs);
      }
      return { measuredMs: summarise(times), predictedMs, load: await loadOf() };
    });
    const simulatedMs = simulateSize(paper, count, options, macsPerCoreSecond);
    sizes.push({ peers: count, ...measured, simulatedMs, error: simulatedMs / measured.measuredMs.median - 1 });
  }
  const result: FidelityResult = {
    schema: 'tilemesh.bench.fidelity/1',
    machine: describeMachine(),
    setting: { ...options, macsPerCoreSecond },
    wholeMs: baseline!.meanMs,
    sizes,
    largestError: Math.max(...sizes.map(({ error }) => Math.abs(error))),
  };
  if (options.svg !== undefined) await writeFile(options.svg, drawFidelity(result));
  return result;
}

/** The median of as many requests, after one for each board that could coordinate it. */
function simulateSize(
  { bound, modelId }: PaperModel,
  count: number,
  { cpu, link, requests }: FidelityOptions,
  macsPerSecond: number,
): number {
  const { cores } = describeMachine();
  const board = emulatedBoard(cpu, { macsPerSecond, cores, tickMs: GRANT_MS });
  const warm = 4 * count;
  const result = simulate({
    bound,
    modelId,
    link: GIGABIT,
    parallelism: 0,
    boards: Array.from({ length: count }, () => board),
    cable: parseLink(`${link}mbit`),
    workload: { kind: 'requests', count: warm + requests },
    sharedCores: cores,
  });
  return median(result.requests.slice(warm).map(({ arrivedMs, endedMs }) => endedMs - arrivedMs));
}
