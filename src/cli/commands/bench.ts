/** `tilemesh bench`: how fast the mesh answers one model, alone or cut, one request after another or several at once. */
import { randomBytes } from 'node:crypto';
import { typeOf } from '../../api/open-inference/datatypes.ts';
import type { ValueInfo } from '../../core/graph/graph.ts';
import { MeshError } from '../../core/errors.ts';
import { askOften, latencyOf, type Ask, type Asked, type Latency } from '../bench/ask-often.ts';
import { getJson, parseApiUrls, postBytes } from '../client.ts';
import { EXIT, ExitWith, UsageError } from '../exit.ts';
import { readInputOrText } from '../input-file.ts';
import { progressLine } from '../progress.ts';
import { postPayload } from '../run-payload.ts';
import type { RunRequest } from '../run-request.ts';
import { postTensors } from '../run-tensors.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean, formatMs, formatPercent, table } from '../text.ts';
import { inputShapes, randomTensor } from '../verify-inputs.ts';

export interface BenchOptions {
  readonly api: string;
  readonly requests: number;
  readonly clients: number;
  /** `auto` or a number each; a row for each. */
  readonly parallelism: readonly string[];
  /** `name=1,3,224,224` each. */
  readonly shape: readonly string[];
  readonly seed: number;
  /** Seconds, for each request. */
  readonly deadline: number;
  readonly json?: true;
}

interface Run extends Asked {
  readonly parallelism: string;
  readonly latency: Latency | null;
}

/** The client waits a little longer than the peer, for the peer's own words. */
const GRACE_MS = 5_000;
/** Longest that making a network may take. */
const LOAD_MS = 10 * 60_000;

export async function benchCommand(
  terminal: Terminal,
  model: string,
  input: string | undefined,
  options: BenchOptions,
): Promise<void> {
  const { requests, clients } = options;
  const askWith = await preparedInput(terminal, model, input, options);
  const progress = progressLine(terminal);
  const runs: Run[] = [];
  try {
    for (const parallelism of options.parallelism) {
      const ask = askWith(parallelism);
      const signal = terminal.interrupted;
      progress.update(`preparing, parallelism ${parallelism}`, 0, 0);
      // Weights are fetched and sessions opened by the first; it does not count.
      await askOften(ask, { requests: 1, clients: 1, signal, onAnswer: () => undefined, now: () => performance.now() });
      const onAnswer = (completed: number): void =>
        progress.update(`asking, parallelism ${parallelism}`, completed, requests);
      const asked = await askOften(ask, { requests, clients, signal, onAnswer, now: () => performance.now() });
      runs.push({ parallelism, ...asked, latency: latencyOf(asked.latenciesMs) });
    }
  } finally {
    progress.clear();
  }
  const source = input === undefined ? `random arrays of seed ${options.seed}` : clean(input);
  if (options.json) {
    const measured = runs.map(({ latenciesMs, ...run }) => ({
      ...run,
      answered: latenciesMs.length,
      perSecond: perSecond(latenciesMs, run.elapsedMs),
    }));
    writeJson(terminal, 'bench/1', { model, input: source, requests, clients, runs: measured });
  } else {
    terminal.out(
      `${clean(model)}, ${source}, ${requests} requests of ${clients === 1 ? 'one client' : `${clients} clients`}\n\n`,
    );
    terminal.out(renderRuns(terminal, runs));
  }
  const complaint = runs.find((run) => run.complaint !== undefined)?.complaint;
  if (complaint === undefined) return;
  terminal.err(`tilemesh: not all were answered: ${clean(complaint)}\n`);
  throw new ExitWith(EXIT.failed);
}

/** What asks once, for each degree of parallelism. @throws UsageError, UnreachableError, MeshError. */
async function preparedInput(
  terminal: Terminal,
  model: string,
  input: string | undefined,
  options: BenchOptions,
): Promise<(parallelism: string) => Ask> {
  const urls = parseApiUrls(options.api);
  const deadlineMs = Math.ceil(options.deadline * 1000);
  const request = (parallelism: string, signal: AbortSignal): RunRequest => ({
    urls,
    model,
    requestId: randomBytes(16).toString('hex'),
    parallelism,
    verify: 'share',
    deadlineMs,
    wantsTensors: false,
    signal: AbortSignal.any([signal, AbortSignal.timeout(deadlineMs + GRACE_MS)]),
  });
  if (input !== undefined) {
    const { bytes } = await readInputOrText(input);
    return (parallelism) => async (signal) => {
      const { report } = await postPayload(request(parallelism, signal), bytes, () => undefined);
      return report?.cut ?? '-';
    };
  }
  const inputs = await inputsOf(urls, model, terminal.interrupted);
  const { shapes, note } = inputShapes({ inputs }, options.shape);
  if (note !== undefined && !options.json) terminal.err(`${note}\n`);
  const arrays = inputs.map((value, index) => ({
    name: value.name,
    array: randomTensor(value, shapes.get(value.name)!, options.seed + index),
  }));
  return (parallelism) => async (signal) => (await postTensors(request(parallelism, signal), arrays)).cut;
}

interface Metadata {
  readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[];
}

async function metadataOf(urls: readonly URL[], model: string, signal: AbortSignal): Promise<Metadata> {
  const path = `/v2/models/${encodeURIComponent(model)}`;
  try {
    return (await getJson(urls, path, signal)) as Metadata;
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== 'MODEL_NOT_FOUND') throw error;
    // Networks that come with the program are made when somebody wants them.
    const load = `/v2/repository/models/${encodeURIComponent(model)}/load`;
    await postBytes(urls, { path: load, signal: AbortSignal.any([signal, AbortSignal.timeout(LOAD_MS)]) });
    return (await getJson(urls, path, signal)) as Metadata;
  }
}

async function inputsOf(urls: readonly URL[], model: string, signal: AbortSignal): Promise<readonly ValueInfo[]> {
  const { inputs } = await metadataOf(urls, model, signal);
  return inputs.map(({ name, datatype, shape }) => {
    const type = typeOf(datatype);
    if (type === undefined || type === 'string' || type === 'bfloat16') {
      throw new UsageError(`the input "${clean(name)}" of ${clean(model)} cannot be made up: give an INPUT`);
    }
    return { name, type, dims: shape.map((extent) => (extent < 0 ? 'open' : extent)) };
  });
}

const perSecond = (latenciesMs: readonly number[], elapsedMs: number): number =>
  elapsedMs > 0 ? latenciesMs.length / (elapsedMs / 1000) : 0;

function renderRuns(terminal: Terminal, runs: readonly Run[]): string {
  const numbers = ['ANSWERED', 'REFUSED', 'FAILED', 'A SECOND', 'MEDIAN', 'P95', 'P99', 'LEAST', 'MOST'];
  const columns = [
    { title: 'PARALLELISM' },
    ...numbers.map((title) => ({ title, align: 'right' as const })),
    { title: 'CUT' },
  ];
  const rows = runs.map(({ parallelism, latenciesMs, elapsedMs, refused, failed, latency, cuts }) => {
    const { median, p95, p99, least, most } = latency ?? {};
    const [often] = cuts;
    const share =
      often === undefined || cuts.length === 1 ? '' : ` (${formatPercent(often.count / latenciesMs.length)})`;
    return [
      parallelism,
      ...[latenciesMs.length, refused, failed].map(String),
      perSecond(latenciesMs, elapsedMs).toFixed(1),
      ...[median, p95, p99, least, most].map((ms) => (ms === undefined ? '-' : formatMs(ms))),
      often === undefined ? '-' : `${clean(often.cut)}${share}`,
    ];
  });
  return table(terminal, columns, rows);
}
