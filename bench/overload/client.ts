/**
 * A client that costs little: one connection that is kept, and a request that was written once. Thousands of them share this
 * process, which must not be what is measured. They understand what this program answers, not all of HTTP: answers say
 * how long they are.
 */
import { connect, type Socket } from 'node:net';

export interface Reply {
  readonly status: number;
  /** From handing the request to the system until the answer was read in full. */
  readonly tookMs: number;
  /** When to come back; 0 where that was not said. */
  readonly retryAfterMs: number;
  readonly body: string;
}

const HEAD_END = '\r\n\r\n';

/** Of an answer: how much there is, and what it says. Undefined while it is not all here. */
export function parseReply(text: string): Omit<Reply, 'tookMs'> | undefined {
  const headEnd = text.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = text.slice(0, headEnd);
  const header = (name: string): number => Number(new RegExp(`^${name}: *(\\d+)`, 'im').exec(head)?.[1] ?? 0);
  const start = headEnd + HEAD_END.length;
  const end = start + header('content-length');
  if (text.length < end) return undefined;
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
  return { status, retryAfterMs: 1_000 * header('retry-after'), body: text.slice(start, end) };
}

/** A POST of JSON, as bytes. Answers and requests are of ASCII letters alone. */
export const postRequest = (url: URL, body: string): Buffer =>
  Buffer.from(
    `POST ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: application/json\r\n` +
      `content-length: ${body.length}${HEAD_END}${body}`,
    'latin1',
  );

export class Client {
  readonly #socket: Socket;
  #text = '';
  #waiting: { readonly sentMs: number; readonly reply: PromiseWithResolvers<Reply> } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  /** @param localAddress a client's own. */
  static async connect(url: URL, localAddress: string): Promise<Client> {
    const socket = connect({ host: url.hostname, port: Number(url.port), localAddress });
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    socket.once('error', reject);
    socket.once('connect', () => resolve(undefined));
    await promise;
    socket.off('error', reject);
    return new Client(socket);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** One request at a time. Rejects when the connection breaks, or when `signal` says so. */
  async ask(request: Buffer, signal: AbortSignal): Promise<Reply> {
    const reply = Promise.withResolvers<Reply>();
    this.#waiting = { sentMs: performance.now(), reply };
    const giveUp = (): void => void this.#socket.destroy();
    signal.addEventListener('abort', giveUp, { once: true });
    this.#socket.write(request);
    try {
      return await reply.promise;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: string): void {
    this.#text += chunk;
    const parsed = parseReply(this.#text);
    if (parsed === undefined || this.#waiting === undefined) return;
    const { sentMs, reply } = this.#waiting;
    this.#text = '';
    this.#waiting = undefined;
    reply.resolve({ ...parsed, tookMs: performance.now() - sentMs });
  }

  #fail(error: Error): void {
    this.#waiting?.reply.reject(error);
    this.#waiting = undefined;
  }
}
