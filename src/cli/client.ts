/** The HTTP API of a peer, from the side of the command line. */
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { isErrorCode, MeshError } from '../core/errors.ts';
import type { ProgressListener } from '../api/port.ts';
import type { PeerId } from '../core/ids.ts';
import { UnreachableError, UsageError } from './exit.ts';
import { tokenFor } from './token.ts';

const NDJSON = 'application/x-ndjson';
/**
 * Otherwise a copy of what is sent is kept in memory, all of it, for the case that it has to be sent once more (Fetch
 * standard, HTTP-network-or-cache fetch). No peer redirects.
 */
const SENT_ONCE = { redirect: 'error', window: null } as const;
/** A peer that works at a request says so twice a second: one that says nothing for so long is frozen, or cut off. */
const SILENCE_MS = 1_500;
/** What an input takes at least to get to a peer. */
const UPLOAD_BYTES_PER_MS = 1_000;
/** Longest that a question about the mesh may take. */
const QUERY_MS = 15_000;

export interface ApiRequest {
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array | ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Whether it may be asked of several peers at a time: they know by its id that it is one. */
  readonly isShared?: boolean;
}

/** `HOST:PORT` or a URL, several with commas between. @throws UsageError. */
export function parseApiUrls(text: string): readonly URL[] {
  return text.split(',').map((part) => {
    const written = part.trim();
    const url = /^https?:\/\//.test(written) ? written : `http://${written}`;
    if (written === '' || !URL.canParse(url)) throw new UsageError(`"${part}" is not HOST:PORT or a URL: see --api`);
    return new URL(url);
  });
}

/** @throws UnreachableError, and MeshError with the code and words of the peer. */
export async function getJson(urls: readonly URL[], path: string, signal: AbortSignal): Promise<unknown> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(QUERY_MS)]);
  const response = await firstAnswer(urls, { path, signal: limited }, 'GET');
  return response.json();
}

/** Asks for something to be done that needs no body. @throws UnreachableError, and MeshError with the code and words of the peer. */
export async function sendJson(
  urls: readonly URL[],
  method: 'DELETE' | 'PUT',
  path: string,
  signal: AbortSignal,
  patienceMs = QUERY_MS,
): Promise<unknown> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const response = await firstAnswer(urls.slice(0, 1), { path, signal: limited }, method);
  return response.json();
}

/**
 * JSON documents, one a line, as they come.
 * @throws UnreachableError also when the connection breaks, and MeshError with the code and words of the peer.
 */
export async function* getLines(
  urls: readonly URL[],
  request: Pick<ApiRequest, 'path' | 'query' | 'signal'>,
): AsyncGenerator<unknown, void, undefined> {
  const response = await firstAnswer(urls, { ...request, headers: { accept: NDJSON } }, 'GET');
  const base = new URL(response.url);
  if (!response.headers.get('content-type')?.includes(NDJSON) || response.body === null) throw refusal(undefined, base);
  try {
    const lines = createInterface({ input: Readable.fromWeb(response.body), crlfDelay: Infinity });
    for await (const line of lines) if (line !== '') yield JSON.parse(line);
  } catch (error) {
    if (request.signal.aborted) throw aborted(request.signal);
    throw new UnreachableError(base.origin, error);
  }
}

/** @throws UnreachableError, and MeshError with the code and words of the peer. */
export async function postJson(
  urls: readonly URL[],
  path: string,
  body: object,
  signal: AbortSignal,
): Promise<unknown> {
  const request: ApiRequest = {
    path,
    body: new TextEncoder().encode(JSON.stringify(body)),
    headers: { 'content-type': 'application/json' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(QUERY_MS)]),
  };
  return (await firstAnswer(urls, request, 'POST')).json();
}

export function postBytes(urls: readonly URL[], request: ApiRequest): Promise<Response> {
  return firstAnswer(urls, request, 'POST');
}

/** Nobody is there, or it says that another peer is to be asked. */
const isForAnother = (error: unknown): boolean =>
  error instanceof UnreachableError ||
  (error instanceof MeshError && (error.code === 'UNAVAILABLE' || error.code === 'OVERLOADED'));

/**
 * Posts and follows the progress to the result. Where the connection breaks, or the peer takes nothing, the next address is
 * asked the same; where a shared request is not heard of any more, the next one is asked as well, and the first answer counts.
 * @param onAlive called whenever a peer gives a sign of life.
 * @throws UnreachableError, and MeshError with the code and words of the peer.
 */
export async function postForEvents(
  urls: readonly URL[],
  request: ApiRequest,
  onProgress: ProgressListener,
  onAlive: () => void = () => undefined,
): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const left = [...urls];
  const asked = new Set<AbortController>();
  const askNext = (): void => {
    const url = left.shift();
    if (url === undefined) return;
    const attempt = new AbortController();
    const signal = AbortSignal.any([request.signal, attempt.signal]);
    asked.add(attempt);
    const silence = request.isShared === true ? setTimeout(askNext, patienceMs(request)) : undefined;
    const live = (): void => {
      silence?.refresh();
      onAlive();
    };
    postTo(url, { ...request, signal }, onProgress, live)
      .finally(() => {
        asked.delete(attempt);
        clearTimeout(silence);
      })
      .then(resolve, (error: unknown) => {
        if (!isForAnother(error)) reject(error);
        else if (left.length > 0) askNext();
        else if (asked.size === 0) reject(error);
      });
  };
  if (left.length === 0) throw new UsageError('--api names no address');
  askNext();
  try {
    return await promise;
  } finally {
    for (const attempt of asked) attempt.abort();
  }
}

function patienceMs({ body }: ApiRequest): number {
  const bytes = body instanceof Uint8Array ? body.byteLength : 0;
  return SILENCE_MS + bytes / UPLOAD_BYTES_PER_MS;
}

async function postTo(
  url: URL,
  request: ApiRequest,
  onProgress: ProgressListener,
  onAlive: () => void,
): Promise<unknown> {
  const response = await ask(url, { ...request, headers: { ...request.headers, accept: NDJSON } }, 'POST');
  return readEvents(url, response, onProgress, onAlive);
}

async function firstAnswer(urls: readonly URL[], request: ApiRequest, method: string): Promise<Response> {
  for (const [index, url] of urls.entries()) {
    try {
      return await ask(url, request, method);
    } catch (error) {
      if (!isForAnother(error) || index === urls.length - 1) throw error;
    }
  }
  throw new UsageError('--api names no address');
}

async function ask(base: URL, request: ApiRequest, method: string): Promise<Response> {
  const url = new URL(request.path, base);
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const token = await tokenFor(base);
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      signal: request.signal,
      headers: { ...request.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      ...(request.body === undefined
        ? {}
        : { body: request.body as NonNullable<RequestInit['body']>, duplex: 'half' as const, ...SENT_ONCE }),
    });
  } catch (error) {
    throw request.signal.aborted ? aborted(request.signal) : new UnreachableError(base.origin, error);
  }
  if (response.ok) return response;
  throw refusal(await response.json().catch(() => undefined), base);
}

const aborted = (signal: AbortSignal): MeshError =>
  signal.reason instanceof MeshError
    ? signal.reason
    : new MeshError('DEADLINE_EXCEEDED', 'the peer took too long: try again, or allow more with --deadline', {
        cause: signal.reason,
      });

function refusal(body: unknown, base: URL): MeshError {
  const { error, code } = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  if (typeof error !== 'string') {
    return new MeshError('INTERNAL', `what answers at ${base.origin} is not a tilemesh peer: name another with --api`);
  }
  return new MeshError(typeof code === 'string' && isErrorCode(code) ? code : 'INTERNAL', error);
}

type ApiEvent =
  | {
      readonly event: 'progress';
      readonly stage: string;
      readonly completed: number;
      readonly total: number;
      readonly coordinator?: PeerId;
    }
  | { readonly event: 'alive' }
  | { readonly event: 'result' }
  | { readonly event: 'error' };

async function readEvents(
  base: URL,
  response: Response,
  onProgress: ProgressListener,
  onAlive: () => void,
): Promise<unknown> {
  if (!response.headers.get('content-type')?.includes(NDJSON) || response.body === null) {
    throw refusal(undefined, base);
  }
  try {
    const lines = createInterface({ input: Readable.fromWeb(response.body), crlfDelay: Infinity });
    for await (const line of lines) {
      const event = JSON.parse(line) as ApiEvent;
      onAlive();
      if (event.event === 'result') {
        const { event: _event, ...result } = event;
        return result;
      }
      if (event.event === 'error') throw refusal(event, base);
      if (event.event === 'progress') onProgress(event.stage, event.completed, event.total, event.coordinator);
    }
  } catch (error) {
    if (error instanceof MeshError) throw error;
    throw new UnreachableError(base.origin, error);
  }
  throw new UnreachableError(base.origin, new Error('the connection ended before the result'));
}
