/** The result of `wire` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { table } from '../../src/cli/text.ts';
import { formatBytes, formatTimes, renderLoad, renderRows } from '../report.ts';
import type { Transport } from './transport.ts';
import type { WireResult, WireTime } from './measure.ts';

const NAMES: Readonly<Record<Transport, string>> = {
  tcp: 'TCP',
  stream: 'libp2p stream',
  'pieces by stream': 'data plane on streams',
  pieces: 'data plane',
};

const cpu = (time: WireTime): number => time.sourceCpuMsPerMegabyte + time.sinkCpuMsPerMegabyte;

export function renderWire(terminal: Terminal, { setting, times, load }: WireResult): string {
  const numbers = ['BLOCK', 'GOODPUT', 'CPU A MB', 'SOURCE', 'SINK', 'CPU BY TCP'];
  const lines = table(
    terminal,
    [{ title: 'WIRE' }, ...numbers.map((title) => ({ title, align: 'right' as const }))],
    times.map((time) => {
      const tcp = times.find(({ transport, blockBytes }) => transport === 'tcp' && blockBytes === time.blockBytes)!;
      return [
        NAMES[time.transport],
        formatBytes(time.blockBytes),
        `${formatBytes(time.bytesPerSecond)}/s`,
        `${cpu(time).toFixed(2)} ms`,
        `${time.sourceCpuMsPerMegabyte.toFixed(2)} ms`,
        `${time.sinkCpuMsPerMegabyte.toFixed(2)} ms`,
        formatTimes(cpu(time) / cpu(tcp)),
      ];
    }),
  );
  const heading = `Between two processes of this machine, ${setting.runs} series of ${setting.megabytes} MB each`;
  return `${lines}\n${renderRows(terminal, heading, [renderLoad(load)])}`;
}
