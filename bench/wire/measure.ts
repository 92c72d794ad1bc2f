/**
 * `wire`: how fast bytes move between two peers of one machine, and what that costs both processors, by the data plane,
 * against plain TCP and against plain streams of libp2p.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MeshError } from '../../src/core/errors.ts';
import type { BenchContext } from '../context.ts';
import { stopProcess } from '../emulation/board.ts';
import { describeMachine, watchLoad, type Load, type Machine } from '../measure/machine.ts';
import { median } from '../measure/statistics.ts';
import type { EndCommand, EndReply } from './end-process.ts';
import { TRANSPORTS, type Transport } from './transport.ts';

export interface WireOptions {
  /** Sizes of blocks, in bytes, multiples of four. */
  readonly block: readonly number[];
  /** Bytes moved in each series, in millions. */
  readonly megabytes: number;
  /** Series of each; the median counts. */
  readonly runs: number;
}

export interface WireTime {
  readonly transport: Transport;
  readonly blockBytes: number;
  readonly bytesPerSecond: number;
  /** Processor time for a million bytes. */
  readonly sourceCpuMsPerMegabyte: number;
  readonly sinkCpuMsPerMegabyte: number;
}

export interface WireResult {
  readonly schema: 'tilemesh.bench.wire/1';
  readonly machine: Machine;
  readonly setting: WireOptions;
  readonly times: readonly WireTime[];
  readonly load: Load;
}

const SCRIPT = fileURLToPath(new URL('./end-process.ts', import.meta.url));
const REPLY_TIMEOUT_MS = 120_000;
/** Of the bytes of a series, moved before the first one counts. */
const WARM_SHARE = 0.5;

export async function measureWire(options: WireOptions, context: BenchContext): Promise<WireResult> {
  const { signal, progress } = context;
  const loadSince = await watchLoad();
  const times: WireTime[] = [];
  for (const transport of TRANSPORTS) {
    for (const blockBytes of options.block) {
      progress(`${transport}, blocks of ${blockBytes} bytes`);
      await using ends = new AsyncDisposableStack();
      const sink = ends.adopt(fork(SCRIPT), stopProcess);
      const source = ends.adopt(fork(SCRIPT), stopProcess);
      times.push({
        transport,
        blockBytes,
        ...(await timeWire({ sink, source, transport, blockBytes }, options, signal)),
      });
    }
  }
  return {
    schema: 'tilemesh.bench.wire/1',
    machine: describeMachine(),
    setting: options,
    times,
    load: await loadSince(),
  };
}

interface Ends {
  readonly sink: ChildProcess;
  readonly source: ChildProcess;
  readonly transport: Transport;
  readonly blockBytes: number;
}

async function timeWire(
  { sink, source, transport, blockBytes }: Ends,
  { megabytes, runs }: WireOptions,
  signal: AbortSignal,
): Promise<Omit<WireTime, 'transport' | 'blockBytes'>> {
  const { address } = await tell(sink, { kind: 'listen', transport }, 'ready', signal);
  await tell(source, { kind: 'connect', transport, address }, 'ready', signal);
  const totalBytes = Math.ceil((megabytes * 1e6) / blockBytes) * blockBytes;

  const moveOnce = async (bytes: number) => {
    const move = { kind: 'move', totalBytes: bytes, blockBytes } as const;
    await tell(sink, move, 'counting', signal);
    const arrived = next(sink, 'moved', signal);
    const startedMs = Number(process.hrtime.bigint()) / 1e6;
    const sent = await tell(source, move, 'moved', signal);
    const received = await arrived;
    return { spanMs: received.atMs - startedMs, sourceMs: sent.cpuMs, sinkMs: received.cpuMs };
  };

  await moveOnce(Math.ceil((WARM_SHARE * totalBytes) / blockBytes) * blockBytes);
  const series = [];
  while (series.length < runs) series.push(await moveOnce(totalBytes));
  const perMegabyte = (ms: number): number => (1e6 * ms) / totalBytes;
  return {
    bytesPerSecond: (1000 * totalBytes) / median(series.map(({ spanMs }) => spanMs)),
    sourceCpuMsPerMegabyte: perMegabyte(median(series.map(({ sourceMs }) => sourceMs))),
    sinkCpuMsPerMegabyte: perMegabyte(median(series.map(({ sinkMs }) => sinkMs))),
  };
}

type ReplyOf<Kind extends EndReply['kind']> = Extract<EndReply, { readonly kind: Kind }>;

function tell<Kind extends EndReply['kind']>(
  end: ChildProcess,
  command: EndCommand,
  kind: Kind,
  signal: AbortSignal,
): Promise<ReplyOf<Kind>> {
  const reply = next(end, kind, signal);
  end.send(command);
  return reply;
}

/** The next reply of an end, which must be of this kind. @throws MeshError UNAVAILABLE when the end is gone or late. */
async function next<Kind extends EndReply['kind']>(
  end: ChildProcess,
  kind: Kind,
  signal: AbortSignal,
): Promise<ReplyOf<Kind>> {
  const waiting = new AbortController();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(REPLY_TIMEOUT_MS), waiting.signal]);
  try {
    const gone = once(end, 'exit', { signal: limit }).then(() => {
      throw new MeshError('UNAVAILABLE', 'one end of the wire has ended');
    });
    const [reply] = (await Promise.race([once(end, 'message', { signal: limit }), gone])) as [EndReply];
    if (reply.kind !== kind) throw new MeshError('INTERNAL', `an end of the wire says "${reply.kind}", not "${kind}"`);
    return reply as ReplyOf<Kind>;
  } finally {
    waiting.abort();
  }
}
