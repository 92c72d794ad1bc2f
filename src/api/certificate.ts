/** The certificate that the API shows, from two files: checked before it is used, and read again when they change. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { MeshError } from '../core/errors.ts';

/** Paths of PEM files. */
export interface CertificateFiles {
  /** The certificate of this peer, and those between it and its authority. */
  readonly certificate: string;
  /** Its private key, not encrypted. */
  readonly key: string;
}

export interface CertificatePair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** A new certificate is in use so soon. */
const LOOK_INTERVAL_MS = 30_000;

/** @throws MeshError INVALID_CONFIG that names the file, and what is wrong with it. */
async function readPair(files: CertificateFiles, nowMs: number): Promise<CertificatePair> {
  const [cert, key] = await Promise.all([read('certificate', files.certificate), read('key', files.key)]);
  const certificate = parsed('certificate', files.certificate, 'a certificate in PEM', () => new X509Certificate(cert));
  const privateKey = parsed('key', files.key, 'a private key in PEM without a passphrase', () => createPrivateKey(key));
  assertUsable(certificate, privateKey, files, nowMs);
  return { cert, key };
}

function assertUsable(certificate: X509Certificate, key: KeyObject, files: CertificateFiles, nowMs: number): void {
  const { validFromDate, validToDate } = certificate;
  if (!certificate.checkPrivateKey(key)) {
    throw wrong(
      'key',
      `${files.key} is not the key of ${files.certificate}: name the two files that were made together`,
    );
  }
  if (validToDate.getTime() <= nowMs) {
    throw wrong('certificate', `${files.certificate} is out of date since ${validToDate.toISOString()}: renew it`);
  }
  if (validFromDate.getTime() > nowMs) {
    const from = validFromDate.toISOString();
    throw wrong('certificate', `${files.certificate} is not valid before ${from}: check the clock of this machine`);
  }
}

const wrong = (file: keyof CertificateFiles, what: string, cause?: unknown): MeshError =>
  new MeshError('INVALID_CONFIG', `api.tls.${file}: ${what}`, { cause });

async function read(file: keyof CertificateFiles, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT') throw wrong(file, `there is no file ${path}`, cause);
    if (code === 'EACCES') throw wrong(file, `${path} may not be read: give this user the right to`, cause);
    throw wrong(file, `${path} cannot be read (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
}

function parsed<T>(file: keyof CertificateFiles, path: string, expected: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw wrong(file, `${path} is not ${expected}`, cause);
  }
}

/** Changes with each of the files. */
async function versionOf({ certificate, key }: CertificateFiles): Promise<string> {
  const facts = await Promise.all([certificate, key].map((path) => stat(path).catch(() => null)));
  return JSON.stringify(facts.map((fact) => [fact?.mtimeMs, fact?.size, fact?.ino]));
}

export class ServerCertificate {
  readonly #files: CertificateFiles;
  readonly #listeners = new Set<(pair: CertificatePair) => void>();
  #pair: CertificatePair;
  #version: string;

  private constructor(files: CertificateFiles, pair: CertificatePair, version: string) {
    this.#files = files;
    this.#pair = pair;
    this.#version = version;
  }

  /** @throws MeshError INVALID_CONFIG for files that are missing, unreadable, of two pairs, or out of date. */
  static async load(files: CertificateFiles, nowMs = Date.now()): Promise<ServerCertificate> {
    const version = await versionOf(files);
    return new ServerCertificate(files, await readPair(files, nowMs), version);
  }

  get pair(): CertificatePair {
    return this.#pair;
  }

  /** Told of each new pair. */
  onChange(listener: (pair: CertificatePair) => void): void {
    this.#listeners.add(listener);
  }

  /**
   * Takes what the files hold now, if they have changed.
   * @throws MeshError INVALID_CONFIG; the one before stays in use, and it is tried again once they change again.
   */
  async refresh(): Promise<boolean> {
    const version = await versionOf(this.#files);
    if (version === this.#version) return false;
    this.#version = version;
    this.#pair = await readPair(this.#files, Date.now());
    for (const listener of this.#listeners) listener(this.#pair);
    return true;
  }

  /** Looks at the files from time to time. Returns how to stop. */
  watch(onChange: () => void, onFailure: (error: MeshError) => void): () => void {
    const look = async (): Promise<void> => {
      try {
        if (await this.refresh()) onChange();
      } catch (error) {
        onFailure(error as MeshError);
      }
    };
    const timer = setInterval(() => void look(), LOOK_INTERVAL_MS);
    timer.unref();
    return () => clearInterval(timer);
  }
}
