/**
 * TLS 1.3 with a pre-shared key (RFC 8446, sections 2.2 and 4.2.11) as both ends of a lane configure it: no certificates,
 * no tickets, so that the key is the only way in and serves once.
 */
import { constants } from 'node:crypto';
import type { OnReadOpts } from 'node:net';
import { connect, createSecureContext, type ConnectionOptions, type SecureContext, type TLSSocket } from 'node:tls';
import { toString } from 'uint8arrays/to-string';
import { MeshError } from '../../src/core/errors.ts';

/** What pre-shared keys without a hash of their own may be used with: suites over SHA-256. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256';
/** As much as one TLS record holds, four times. */
const READ_BYTES = 64 * 1024;

let context: SecureContext | undefined;

export const secureContext = (): SecureContext =>
  (context ??= createSecureContext({
    ciphers: CIPHERS,
    minVersion: 'TLSv1.3',
    // One round trip, and no larger post-quantum share: what it protects went over the same network under noise.
    ecdhCurve: 'X25519',
    secureOptions: constants.SSL_OP_NO_TICKET,
  }));

/** Whether the peer has proved to hold the key: OpenSSL treats an external key as a resumed session. */
export const hasProvedKey = (socket: TLSSocket): boolean =>
  socket.getProtocol() === 'TLSv1.3' && socket.isSessionReused();

/** Received bytes of all lanes pass through here one after the other: nobody keeps them. */
let readBuffer: Buffer | undefined;

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly keyId: Uint8Array;
  readonly key: Uint8Array;
  /** How long the peer's machine may take to answer, which takes no work of the peer itself. */
  readonly connectTimeoutMs: number;
  /** How long the handshake may take after that. */
  readonly handshakeTimeoutMs: number;
}

export interface SecureConnection {
  readonly socket: TLSSocket;
  /** Says where received bytes go, each view valid during the call only. Until then the other end may send nothing. */
  readonly receive: (onBytes: (bytes: Uint8Array) => void) => void;
}

/**
 * Connects with a key and reads without allocating: of the two ends of a lane, the one that receives connects, since Node
 * reads into a given buffer at clients only (`onread`).
 * @throws MeshError PEER_LOST when nobody answers, or not with that key.
 */
export async function dialSecurely(options: DialOptions): Promise<SecureConnection> {
  const { host, port, keyId, key, connectTimeoutMs, handshakeTimeoutMs } = options;
  let onBytes = (_: Uint8Array): void => void socket.destroy();
  readBuffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
  const lost = (cause?: unknown): MeshError =>
    new MeshError('PEER_LOST', `no lane to ${host}:${port}; check that no firewall stands between the peers`, {
      cause,
    });
  const connection: ConnectionOptions & { readonly onread: OnReadOpts } = {
    host,
    port,
    secureContext: secureContext(),
    minVersion: 'TLSv1.3',
    pskCallback: () => ({ psk: key, identity: toString(keyId, 'base16') }),
    // Nobody shows a certificate: who holds the key is the peer.
    checkServerIdentity: () => undefined,
    onread: {
      buffer: readBuffer,
      callback: (byteLength, buffer) => {
        onBytes(buffer.subarray(0, byteLength));
        return true;
      },
    },
  };
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const socket = connect(connection);
  socket.setNoDelay(true);
  const onTimeout = (): void => reject(lost());
  let timer = setTimeout(onTimeout, connectTimeoutMs);
  const onConnect = (): void => {
    clearTimeout(timer);
    timer = setTimeout(onTimeout, handshakeTimeoutMs);
  };
  const onSecure = (): void => resolve(undefined);
  const onLost = (cause?: unknown): void => reject(lost(cause));
  socket.once('connect', onConnect).once('secureConnect', onSecure).on('error', onLost).on('close', onLost);
  try {
    await promise;
    if (!hasProvedKey(socket)) throw lost();
    return { socket, receive: (listener) => void (onBytes = listener) };
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    socket.off('close', onLost);
  }
}
