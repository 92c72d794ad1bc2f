/** Whom the command line trusts to have issued the certificates of peers, beside those that everybody trusts. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as tls from 'node:tls';
import { UsageError } from './exit.ts';

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** For all connections of this process. @throws UsageError for a file that holds no certificate. */
export async function trustAuthority(path: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UsageError(`--ca ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });
  const certificates = text.match(PEM) ?? [];
  if (certificates.length === 0 || !certificates.every(isCertificate)) {
    throw new UsageError(`--ca ${path} holds no certificate in PEM`);
  }
  if (typeof tls.setDefaultCACertificates !== 'function') {
    throw new UsageError(`--ca needs Node 22.19 or newer: with this one, set NODE_EXTRA_CA_CERTS=${path} instead`);
  }
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ...certificates]);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
