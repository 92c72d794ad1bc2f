/** One end of a wire, in a process of its own so that its processor time is its own. Told what to do over IPC. */
import { openSink, openSource, type Send, type Transport } from './transport.ts';

export type EndCommand =
  | { readonly kind: 'listen'; readonly transport: Transport }
  | { readonly kind: 'connect'; readonly transport: Transport; readonly address: string }
  /** A sink counts so many bytes from now on; a source sends them in blocks. */
  | { readonly kind: 'move'; readonly totalBytes: number; readonly blockBytes: number };

export type EndReply =
  | { readonly kind: 'ready'; readonly address: string }
  | { readonly kind: 'counting' }
  /** All bytes have arrived, or have been handed over. */
  | { readonly kind: 'moved'; readonly cpuMs: number; readonly atMs: number };

const reply = (value: EndReply): void => void process.send?.(value);

/** Milliseconds on a clock that both ends share. */
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

let send: Send | undefined;
let missingBytes = 0;
let cpu = process.cpuUsage();

function finish(): void {
  const { user, system } = process.cpuUsage(cpu);
  reply({ kind: 'moved', cpuMs: (user + system) / 1e3, atMs: nowMs() });
}

function received(count: number): void {
  if (missingBytes <= 0) return;
  missingBytes -= count;
  if (missingBytes <= 0) finish();
}

async function move(totalBytes: number, blockBytes: number): Promise<void> {
  cpu = process.cpuUsage();
  if (send === undefined) {
    missingBytes = totalBytes;
    reply({ kind: 'counting' });
    return;
  }
  for (let sent = 0; sent < totalBytes; sent += blockBytes)
    await send(new Uint8Array(blockBytes).fill(sent / blockBytes));
  finish();
}

async function obey(command: EndCommand): Promise<void> {
  switch (command.kind) {
    case 'listen':
      reply({ kind: 'ready', address: (await openSink(command.transport, received)).address });
      break;
    case 'connect':
      send = await openSource(command.transport, command.address);
      reply({ kind: 'ready', address: '' });
      break;
    case 'move':
      await move(command.totalBytes, command.blockBytes);
  }
}

process.on('message', (command: EndCommand) => void obey(command));
process.on('disconnect', () => process.exit());
