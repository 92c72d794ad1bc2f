/** Where the receivers of lanes connect. Nothing is accepted but a key that was issued, has not expired, and was not used. */
import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { TLSSocket, type TlsOptions, type TLSSocketOptions } from 'node:tls';
import { toString } from 'uint8arrays/to-string';
import { MeshError } from '../../src/core/errors.ts';
import { KEY_BYTES, KEY_ID_BYTES } from './constants.ts';
import type { Listener } from './messages.ts';
import { hasProvedKey, secureContext } from './secure.ts';

export interface ListenerLimits {
  /** How long a key is accepted, and how long a handshake may take. */
  readonly keyTimeoutMs: number;
  /** Connections that have not proved a key yet; further ones are closed at once. */
  readonly maxHandshakes: number;
  /** Keys that nobody has used yet. */
  readonly maxKeys: number;
}

/** The right to connect once. */
export interface Ticket {
  readonly keyId: Uint8Array;
  readonly key: Uint8Array;
  /** The connection made with the key, within the time it is valid. @throws MeshError PEER_LOST */
  readonly socket: Promise<TLSSocket>;
  /** Makes the key worthless. */
  withdraw(): void;
}

interface Issued {
  readonly key: Uint8Array;
  readonly resolve: (socket: TLSSocket) => void;
  readonly reject: (error: MeshError) => void;
  readonly timer: NodeJS.Timeout;
}

export class LaneListener {
  readonly #limits: ListenerLimits;
  readonly #issued = new Map<string, Issued>();
  readonly #servers: Server[] = [];
  readonly #handshakes = new Set<Socket>();

  constructor(limits: ListenerLimits) {
    this.#limits = limits;
  }

  /** @param port 0: any. @throws MeshError PORT_IN_USE, INVALID_CONFIG when it cannot listen there. */
  async listen(hosts: readonly string[], port: number): Promise<void> {
    for (const host of hosts) {
      const server = createServer({ noDelay: true }, (socket) => this.#secure(socket));
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const onError = (cause: Error): void => reject(cannotListen(host, port, cause));
      server.once('error', onError);
      server.listen({ host, port }, () => resolve(undefined));
      await promise;
      server.off('error', onError).on('error', () => undefined);
      this.#servers.push(server);
    }
  }

  /** Where it listens. */
  get listeners(): readonly Listener[] {
    return this.#servers.map((server) => {
      const { address, port } = server.address() as AddressInfo;
      return { host: address, port };
    });
  }

  /** @throws MeshError OVERLOADED when too many keys are out. */
  issue(): Ticket {
    if (this.#issued.size >= this.#limits.maxKeys) {
      throw new MeshError('OVERLOADED', `${this.#issued.size} peers are being connected to already; retry later`);
    }
    const keyId = randomBytes(KEY_ID_BYTES);
    const key = randomBytes(KEY_BYTES);
    const name = toString(keyId, 'base16');
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
    promise.catch(() => undefined);
    const withdraw = (): void => {
      clearTimeout(timer);
      this.#issued.delete(name);
      reject(new MeshError('PEER_LOST', 'the peer did not connect in time; check that no firewall stands in between'));
    };
    const timer = setTimeout(withdraw, this.#limits.keyTimeoutMs);
    this.#issued.set(name, { key, resolve, reject, timer });
    return { keyId, key, socket: promise, withdraw };
  }

  /** Listens no more. Connections that were handed on stay. */
  close(): void {
    for (const server of this.#servers.splice(0)) server.close();
    for (const socket of this.#handshakes) socket.destroy();
    for (const { timer, reject } of this.#issued.values()) {
      clearTimeout(timer);
      reject(new MeshError('UNAVAILABLE', 'this peer is shutting down; ask another peer'));
    }
    this.#issued.clear();
  }

  #secure(raw: Socket): void {
    if (this.#handshakes.size >= this.#limits.maxHandshakes) {
      raw.destroy();
      return;
    }
    let claimed: Issued | undefined;
    const options: TLSSocketOptions & Pick<TlsOptions, 'pskCallback'> = {
      isServer: true,
      secureContext: secureContext(),
      pskCallback: (_, name) => {
        claimed = this.#claim(name);
        return claimed === undefined ? null : claimed.key;
      },
    };
    const socket = new TLSSocket(raw, options);
    this.#handshakes.add(socket);
    const timer = setTimeout(() => socket.destroy(), this.#limits.keyTimeoutMs);
    const onLost = (cause?: unknown): void => {
      clearTimeout(timer);
      this.#handshakes.delete(socket);
      claimed?.reject(new MeshError('PEER_LOST', 'the peer connected, but not with its key', { cause }));
    };
    socket.on('error', onLost).on('close', onLost);
    socket.once('secure', () => {
      if (claimed === undefined || !hasProvedKey(socket)) {
        socket.destroy();
        return;
      }
      clearTimeout(timer);
      this.#handshakes.delete(socket);
      socket.off('close', onLost);
      claimed.resolve(socket);
    });
  }

  /** A key serves once, whether the handshake succeeds or not. */
  #claim(name: string): Issued | undefined {
    const issued = this.#issued.get(name);
    if (issued === undefined) return undefined;
    this.#issued.delete(name);
    clearTimeout(issued.timer);
    return issued;
  }
}

function cannotListen(host: string, port: number, cause: Error): MeshError {
  const isTaken = 'code' in cause && cause.code === 'EADDRINUSE';
  const advice = 'choose another as dataPlane.port, or 0 for any';
  return isTaken
    ? new MeshError('PORT_IN_USE', `port ${port} for lanes is used by another program: ${advice}`, {
        cause,
        details: { port },
      })
    : new MeshError('INVALID_CONFIG', `cannot listen for lanes on ${host} port ${port}: ${advice}`, { cause });
}
