/** Results for people and for programs. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Terminal } from '../src/cli/terminal.ts';
import { formatBytes, formatMs } from '../src/cli/text.ts';
import type { Account } from './cluster/account.ts';
import type { Load, Machine } from './measure/machine.ts';

/** What all results have. */
export interface Result {
  /** `tilemesh.bench.NAME/1`. */
  readonly schema: string;
  readonly machine: Machine;
}

export interface OutputOptions {
  readonly json: true | undefined;
  readonly save: true | undefined;
}

const RESULTS = fileURLToPath(new URL('./results', import.meta.url));

/** Shows a result, and with `--save` keeps it in `bench/results`. */
export async function present<R extends Result>(
  terminal: Terminal,
  result: R,
  render: (terminal: Terminal, result: R) => string,
  { json, save }: OutputOptions,
): Promise<void> {
  const document = `${JSON.stringify(result, undefined, 2)}\n`;
  terminal.out(json ? document : `${render(terminal, result)}\n${renderMachine(result.machine)}`);
  if (!save) return;
  const name = /^tilemesh\.bench\.(\w+)\//.exec(result.schema)?.[1] ?? 'result';
  const file = join(RESULTS, `${name}-${result.machine.date.replaceAll(/[:.]/g, '-')}.json`);
  await mkdir(RESULTS, { recursive: true });
  await writeFile(file, document);
  if (!json) terminal.out(`saved as ${file}\n`);
}

export const renderMachine = ({
  cpu,
  cores,
  memoryBytes,
  kernel,
  node,
  onnxRuntime,
  tilemesh,
  commit,
  date,
}: Machine): string =>
  `${cores} cores of ${cpu}, ${formatBytes(memoryBytes)}, Linux ${kernel}, Node ${node}, ONNX Runtime ${onnxRuntime}, ` +
  `tilemesh ${tilemesh}${commit === '' ? '' : ` (${commit})`}, ${date}\n`;

export const formatTimes = (value: number): string => `${value.toFixed(2)}x`;
export const formatShare = (value: number): string => `${(100 * value).toFixed(1)} %`;
export const formatCores = (cores: number): string =>
  cores < 1 && Math.abs(1 / cores - Math.round(1 / cores)) < 1e-6
    ? `1/${Math.round(1 / cores)} core`
    : `${cores} cores`;
export { formatBytes, formatMs };

/** A heading, and lines of a name and a text. */
export function renderRows(terminal: Terminal, heading: string, rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
  return `${[terminal.style('bold', heading), ...lines].join('\n')}\n`;
}

export type Row = readonly [name: string, text: string];

export interface Answers {
  readonly checked: number;
  /** Relative to the largest value. */
  readonly largestDifference: number;
  readonly tolerance: number;
}

export const renderAnswers = ({ checked, largestDifference, tolerance }: Answers): Row => [
  'answers',
  `${checked} equal the whole model's, largest difference ${largestDifference.toExponential(1)} of the largest value ` +
    `(allowed ${tolerance.toExponential(1)})`,
];

export const renderLoad = ({ idle, steal }: Load): Row => [
  'machine meanwhile',
  `${formatShare(idle)} idle, ${formatShare(steal)} stolen`,
];

/** @param wholeMs of the whole model without a mesh. */
export const renderAccount = (account: Account, wholeMs: number): readonly Row[] => [
  [
    'bound',
    `${formatMs(account.boundMs)} (${formatTimes(wholeMs / account.boundMs)}): even shares ${formatMs(account.evenMs)}, ` +
      `busiest cable ${formatMs(account.lineMs)}`,
  ],
  [
    'above even shares',
    `redundant work and thin tiles ${formatMs(account.redundantMs)} (work x${account.workFactor.toFixed(2)}), stalls ` +
      `${formatMs(account.stalledMs)}, imbalance ${formatMs(account.imbalanceMs)}, between tiles ${formatMs(account.betweenMs)}`,
  ],
];
