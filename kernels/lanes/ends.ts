/** The end of a lane that computes: a thread of the peer, or a process of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { inOwnMemory } from '../transfer.ts';
import { THREAD_NAME, type LaneSetup, type Reply, type Request } from './messages.ts';

export interface LaneEnd extends LaneSetup {
  onRequest(listener: (request: Request) => void): void;
  reply(reply: Reply, buffers?: readonly ArrayBuffer[]): void;
  /** Nothing more comes, and the thread or process ends when it has nothing more to do. */
  close(): void;
}

export function laneEnd(): LaneEnd {
  return parentPort === null ? processEnd() : threadEnd(parentPort);
}

const threadEnd = (port: NonNullable<typeof parentPort>): LaneEnd => ({
  ...(workerData as LaneSetup),
  onRequest: (listener) => void port.on('message', listener),
  reply: (reply, buffers = []) => port.postMessage(reply, [...buffers]),
  close: () => port.close(),
});

function processEnd(): LaneEnd {
  process.title = THREAD_NAME;
  // They are meant for the peer, which finishes what it has in hand and closes its kernel then.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
  process.on('disconnect', () => process.exit());
  return {
    threads: Number(process.argv[2]),
    guard: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
    onRequest: (listener) =>
      void process.on('message', ({ id, command }: Request) => {
        const own = command.kind === 'run' ? { ...command, inputs: inOwnMemory(command.inputs) } : command;
        listener({ id, command: own });
      }),
    reply: (reply) => void process.send!(reply),
    close: () => process.disconnect(),
  };
}
