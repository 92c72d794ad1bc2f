/** The result of `kernels` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { table } from '../../src/cli/text.ts';
import { layerName } from '../../src/core/graph/minimal-filtering.ts';
import { formatBytes, formatMs, formatTimes, renderLoad, renderRows } from '../report.ts';
import type { Comparison, KernelsResult } from './measure.ts';

const gigaflops = (flops: number, ms: number): string => (flops / ms / 1e6).toFixed(0);

/** Least times, since what disturbs a run only adds to it. */
const compared = ({ exact, fast, difference }: Comparison): string[] => [
  formatMs(exact.minMs),
  formatMs(fast.minMs),
  formatTimes(exact.minMs / fast.minMs),
  formatTimes(exact.medianMs / fast.medianMs),
  formatBytes(exact.bytes),
  formatBytes(fast.bytes),
  difference.toExponential(1),
];

const COMPARED = ['EXACT', 'FAST', 'GAIN', 'MEDIAN', 'MEMORY', 'FAST', 'APART'];

export function renderKernels(terminal: Terminal, { setting, layers, networks, load }: KernelsResult): string {
  const columns = (first: string, more: readonly string[]) => [
    { title: first },
    ...[...more, ...COMPARED].map((title) => ({ title, align: 'right' as const })),
  ];
  const single = table(
    terminal,
    columns('LAYER', ['USED', 'GFLOP/S', 'FAST', 'BETWEEN']),
    layers.map(({ layer, flops, variant, betweenMs, ...own }) => [
      layerName(layer),
      variant,
      gigaflops(flops, own.exact.minMs),
      gigaflops(flops, own.fast.minMs),
      betweenMs === undefined ? '' : formatTimes(betweenMs.exact / betweenMs.fast),
      ...compared(own),
    ]),
  );
  const whole = table(
    terminal,
    columns('NETWORK', ['FILTERED']),
    networks.map(({ model, part, filtered, convolutions, ...own }) => [
      part === 'whole' ? model : `${model}, ${part}`,
      `${filtered.length} of ${convolutions}`,
      ...compared(own),
    ]),
  );
  const heading = `${setting.kernel}, one thread, processor time, ${setting.runs} runs of each in turn`;
  return `${single}\n${networks.length === 0 ? '' : `${whole}\n`}${renderRows(terminal, heading, [renderLoad(load)])}`;
}
