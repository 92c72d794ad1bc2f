/**
 * The page's way to its peer: every question with the token where one is asked for, and the live stream, taken up again when
 * it ends. `EventSource` cannot send the token, so the stream is read by `fetch`.
 */
import { serverSentParser } from './server-sent.js';

const TOKEN = 'tilemesh.token';
const RETRY_MS = [500, 1_000, 2_000, 5_000];
/** The stream carries a word every 15 s at least. */
const SILENCE_MS = 40_000;

/** An answer that is an error, in the peer's own words. */
export class Refusal extends Error {
  /** @param {string} message @param {number} status */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** @param {Response} response @returns {Promise<Refusal>} */
async function refusalOf(response) {
  const body = await response.json().catch(() => ({}));
  const text = typeof body.error === 'string' ? body.error : `the peer answered ${response.status}`;
  return new Refusal(text, response.status);
}

export class Connection {
  #askToken;
  /** @type {Promise<void> | undefined} one question to the person for all that wait */
  #asking;

  /** @param {(problem: string) => Promise<string>} askToken */
  constructor(askToken) {
    this.#askToken = askToken;
  }

  /**
   * @param {string} path @param {RequestInit} options
   * @returns {Promise<Response>} one that is no error
   * @throws {Refusal}
   */
  async ask(path, options = {}) {
    for (;;) {
      const token = sessionStorage.getItem(TOKEN);
      const headers = { ...options.headers, ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
      const response = await fetch(path, { ...options, headers, cache: 'no-store' });
      if (response.ok) return response;
      const refusal = await refusalOf(response);
      if (response.status !== 401) throw refusal;
      if (sessionStorage.getItem(TOKEN) === token)
        await this.#newToken(token === null ? '' : 'That token is not right.');
    }
  }

  /** @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
  async json(path, options) {
    return (await this.ask(path, options)).json();
  }

  /**
   * Follows the stream for as long as the page is there.
   * @param {(event: string, document: any) => void} onEvent
   * @param {(isLive: boolean) => void} onState
   */
  async follow(onEvent, onState) {
    for (let failures = 0; ; failures += 1) {
      try {
        await this.#read(onEvent, () => {
          failures = 0;
          onState(true);
        });
      } catch {
        // Whatever it was: it is tried again.
      }
      onState(false);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
    }
  }

  /** @param {(event: string, document: any) => void} onEvent @param {() => void} onOpen */
  async #read(onEvent, onOpen) {
    const silence = new AbortController();
    const response = await this.ask('tilemesh/v1/live', {
      headers: { accept: 'text/event-stream' },
      signal: silence.signal,
    });
    onOpen();
    const push = serverSentParser((event, data) => onEvent(event, JSON.parse(data)));
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      const timer = setTimeout(() => silence.abort(), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      push(decoder.decode(value, { stream: true }));
    }
  }

  /** @param {string} problem */
  async #newToken(problem) {
    this.#asking ??= this.#askToken(problem)
      .then((token) => sessionStorage.setItem(TOKEN, token))
      .finally(() => {
        this.#asking = undefined;
      });
    await this.#asking;
  }
}

/** @param {Response} response @param {(document: any) => void} onDocument for each line of NDJSON */
export async function readLines(response, onDocument) {
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (done ? '\n' : decoder.decode(value, { stream: true }))).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') onDocument(JSON.parse(line));
    if (done) return;
  }
}
