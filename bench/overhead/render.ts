/** The result of `overhead` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { formatMs, formatShare, renderAnswers, renderLoad, renderRows } from '../report.ts';
import type { OverheadResult } from './measure.ts';

export function renderOverhead(terminal: Terminal, result: OverheadResult): string {
  const { setting, bareMs, barePrepackedMs, meshMs, kernelMs, clientMs } = result;
  return renderRows(terminal, `${setting.model} at one peer, against ONNX Runtime alone, one thread each`, [
    ['ONNX Runtime', `${formatMs(bareMs.median)} with the session options of the mesh's kernel`],
    ['', `${formatMs(barePrepackedMs.median)} with its own choice of what to pack`],
    ['mesh', `${formatMs(meshMs.median)}, of that in the kernel ${formatMs(kernelMs.median)}; ${result.plan}`],
    ['at the client', formatMs(clientMs.median)],
    [
      'overhead',
      `${formatShare(result.overhead)} (in the kernel ${formatShare(result.kernelOverhead)}); against the second ` +
        formatShare(result.overheadOverPrepacked),
    ],
    renderAnswers(result.answers),
    renderLoad(result.load),
  ]);
}
