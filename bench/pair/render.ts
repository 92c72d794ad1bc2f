/** The result of `pair` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { formatBytes, formatMs, formatTimes, renderAccount, renderAnswers, renderLoad, renderRows } from '../report.ts';
import type { PairResult } from './measure.ts';

export function renderPair(terminal: Terminal, result: PairResult): string {
  const { setting, bareMs, oneMs, twoMs, cpuMs } = result;
  return renderRows(terminal, `${setting.model} on two whole cores, one peer on each, ${setting.link} Mbit/s`, [
    ['ONNX Runtime alone', `${formatMs(bareMs.median)} on one core, one thread`],
    ['one peer', `${formatMs(oneMs.median)} median, ${formatMs(oneMs.p95)} p95`],
    ['two peers', `${formatMs(twoMs.median)} median, ${formatMs(twoMs.p95)} p95; ${result.plan}`],
    [
      'speed-up',
      `${formatTimes(result.speedUp)} over one peer, ${formatTimes(result.speedUpOverBare)} over ONNX Runtime alone`,
    ],
    ...renderAccount(result.account, bareMs.median),
    ['moved a request', formatBytes(result.bytesOnCables)],
    ['processor a request', `${formatMs(cpuMs.kernels)} in kernels, ${formatMs(cpuMs.rest)} outside`],
    renderAnswers(result.answers),
    renderLoad(result.load),
  ]);
}
