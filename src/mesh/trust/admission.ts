/**
 * Who may connect. Right after noise has encrypted a connection and shown both identities, before there is a multiplexer or
 * any protocol, each side proves to the other that it belongs to the mesh:
 *
 *   listener -> dialler   nonce
 *   dialler  -> listener  nonce, number of keys, a proof for each key it holds (newest first)
 *   listener -> dialler   which key, its own proof with that key, a grant where the key was an invitation
 *
 * The dialler proves first, so whoever merely asks gets a random number and nothing else. It costs some milliseconds a
 * connection and nothing a byte.
 */
import { randomBytes } from 'node:crypto';
import type { ConnectionEncrypter, MessageStream, SecureConnectionOptions, SecuredConnection } from '@libp2p/interface';
import { byteStream } from '@libp2p/utils';
import { MeshError } from '../../core/errors.ts';
import { asPeerId, type PeerId } from '../../core/ids.ts';
import { isEqual, NONCE_BYTES, proof, PROOF_BYTES, type Encounter, type MeshKey } from './mesh-key.ts';

/** Keys that one peer may hold at a time: the mesh's, those before it, invitations. */
export const MAX_KEYS = 16;
/** What comes with an invitation: keys, name and lists of the mesh. */
const MAX_GRANT_BYTES = 512 * 1024;
/** For each message: securing many connections at once takes long on a busy board. */
const ANSWER_TIMEOUT_MS = 15_000;

export interface Gate {
  /** Newest first; a key that proves an invitation has no standing but that. */
  keys(): readonly MeshKey[];
  /** Throws where the identity may not connect, whatever it holds. @throws MeshError FORBIDDEN */
  checkIdentity(peer: PeerId): void;
  /** Throws where the identity may not connect with that key. @throws MeshError FORBIDDEN */
  checkMember(peer: PeerId, key: MeshKey): void;
  /** What a key is worth that is an invitation; undefined for a key of the mesh. The connection ends with it. */
  redeem(key: MeshKey): Uint8Array | undefined;
  /** Called with what an invitation brought. */
  accept(grant: Uint8Array): void;
  /** A connection came to nothing. */
  refused(peer: PeerId, error: MeshError): void;
}

interface Parties {
  readonly self: PeerId;
  readonly remote: PeerId;
}

/** Any encrypter, admitting members only. */
export class AdmittingEncrypter implements ConnectionEncrypter {
  readonly protocol: string;
  readonly #inner: ConnectionEncrypter;
  readonly #self: PeerId;
  readonly #gate: Gate;

  constructor(inner: ConnectionEncrypter, self: PeerId, gate: Gate) {
    this.protocol = inner.protocol;
    this.#inner = inner;
    this.#self = self;
    this.#gate = gate;
  }

  async secureOutbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#admit(await this.#inner.secureOutbound(connection, options), options, askForAdmission);
  }

  async secureInbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#admit(await this.#inner.secureInbound(connection, options), options, grantAdmission);
  }

  async #admit(
    secured: SecuredConnection,
    options: SecureConnectionOptions | undefined,
    talk: (words: Words, gate: Gate, parties: Parties) => Promise<void>,
  ): Promise<SecuredConnection> {
    const remote = asPeerId(secured.remotePeer.toString());
    const words = new Words(secured.connection, remote, options?.signal);
    try {
      this.#gate.checkIdentity(remote);
      await talk(words, this.#gate, { self: this.#self, remote });
    } catch (error) {
      const failure = error instanceof MeshError ? error : notAdmitted(remote, error);
      secured.connection.abort(failure);
      this.#gate.refused(remote, failure);
      throw failure;
    }
    return { ...secured, connection: words.release() };
  }
}

/** The dialler's side. */
async function askForAdmission(words: Words, gate: Gate, { self, remote }: Parties): Promise<void> {
  const keys = gate.keys().slice(0, MAX_KEYS);
  const listenerNonce = await words.read(NONCE_BYTES);
  const encounter: Encounter = { dialler: self, listener: remote, diallerNonce: newNonce(), listenerNonce };
  const proofs = keys.map((key) => proof(key, 'dialler', encounter));
  await words.write(Buffer.concat([encounter.diallerNonce, Uint8Array.of(keys.length), ...proofs]));
  const [index = 0] = await words.read(1);
  const key = keys[index];
  if (key === undefined || !isEqual(await words.read(PROOF_BYTES), proof(key, 'listener', encounter))) {
    throw notAdmitted(remote);
  }
  const grantBytes = Buffer.from(await words.read(4)).readUInt32BE();
  if (grantBytes > MAX_GRANT_BYTES) throw notAdmitted(remote);
  if (grantBytes > 0) {
    gate.accept(await words.read(grantBytes));
    throw new MeshError('CANCELLED', 'the invitation was accepted; connect again as a member');
  }
  gate.checkMember(remote, key);
}

/** The listener's side. */
async function grantAdmission(words: Words, gate: Gate, { self, remote }: Parties): Promise<void> {
  const listenerNonce = newNonce();
  await words.write(listenerNonce);
  const diallerNonce = await words.read(NONCE_BYTES);
  const encounter: Encounter = { dialler: remote, listener: self, diallerNonce, listenerNonce };
  const [count = 0] = await words.read(1);
  if (count > MAX_KEYS) throw notAdmitted(remote);
  const proofs = await words.read(count * PROOF_BYTES);
  const expected = gate.keys().map((key) => ({ key, proof: proof(key, 'dialler', encounter) }));
  for (let index = 0; index < count; index++) {
    const shown = proofs.subarray(index * PROOF_BYTES, (index + 1) * PROOF_BYTES);
    const key = expected.find((candidate) => isEqual(candidate.proof, shown))?.key;
    if (key === undefined) continue;
    const grant = gate.redeem(key);
    if (grant === undefined) gate.checkMember(remote, key);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(grant?.byteLength ?? 0);
    const own = proof(key, 'listener', encounter);
    await words.write(Buffer.concat([Uint8Array.of(index), own, length, grant ?? new Uint8Array()]));
    if (grant === undefined) return;
    // The joiner closes once it has read all.
    await words.ended();
    throw new MeshError('CANCELLED', 'an invitation was accepted');
  }
  throw notAdmitted(remote);
}

const newNonce = (): Uint8Array => new Uint8Array(randomBytes(NONCE_BYTES));

const notAdmitted = (peer: PeerId, cause?: unknown): MeshError =>
  new MeshError('FORBIDDEN', `peer ${peer} does not belong to this mesh, or this peer does not belong to its`, {
    cause,
    details: { peer },
  });

/** Bytes of a known number over an encrypted connection, each with a deadline. */
class Words {
  readonly #stream: ReturnType<typeof byteStream>;
  readonly #connection: MessageStream;
  readonly #remote: PeerId;
  readonly #cancel: AbortSignal | undefined;

  constructor(connection: MessageStream, remote: PeerId, cancel: AbortSignal | undefined) {
    this.#connection = connection;
    this.#stream = byteStream(connection as never, { maxBufferSize: MAX_GRANT_BYTES + 1024 });
    this.#remote = remote;
    this.#cancel = cancel;
  }

  async read(byteLength: number): Promise<Uint8Array> {
    if (byteLength === 0) return new Uint8Array();
    const bytes = await this.#stream.read({ bytes: byteLength, signal: this.#signal() });
    if (bytes.byteLength !== byteLength) throw notAdmitted(this.#remote);
    return bytes.subarray();
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#stream.write(bytes, { signal: this.#signal() });
  }

  /** Resolves when the other side has closed the connection, or is late with it. */
  async ended(): Promise<void> {
    await this.#stream.read({ bytes: 1, signal: this.#signal() }).catch(() => undefined);
  }

  release(): MessageStream {
    this.#stream.unwrap();
    return this.#connection;
  }

  #signal(): AbortSignal {
    const deadline = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    return this.#cancel === undefined ? deadline : AbortSignal.any([this.#cancel, deadline]);
  }
}
