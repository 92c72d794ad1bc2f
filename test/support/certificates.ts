/** Certificates made for one test, by openssl. */
import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const;

export interface Issued {
  readonly certificate: string;
  readonly key: string;
}

/** An authority that nobody trusts yet. */
export class Authority {
  readonly #folder: string;
  /** Its certificate. */
  readonly path: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, 'ca.pem');
  }

  static async create(folder: string): Promise<Authority> {
    const authority = new Authority(folder);
    const files = ['-keyout', join(folder, 'ca.key'), '-out', authority.path];
    await run('openssl', ['req', '-x509', ...KEY, ...files, '-days', '2', '-subj', '/CN=authority of a test']);
    return authority;
  }

  /** For this machine by its loopback names. */
  async issue(name: string, days = 90): Promise<Issued> {
    const issued = { certificate: join(this.#folder, `${name}.pem`), key: join(this.#folder, `${name}.key`) };
    const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const by = ['-CA', this.path, '-CAkey', join(this.#folder, 'ca.key'), '-days', String(days)];
    await run('openssl', ['req', '-x509', ...KEY, '-keyout', issued.key, '-out', issued.certificate, ...names, ...by]);
    return issued;
  }
}

/** Puts other files in the place of issued ones, as a program does that renews. */
export async function replaceIssued(target: Issued, source: Issued): Promise<void> {
  await copyFile(source.key, target.key);
  await copyFile(source.certificate, target.certificate);
}
