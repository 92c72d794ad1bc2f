/** The certificate of the API, as the configuration names it, kept up to date while the peer runs. */
import { ServerCertificate } from './api/certificate.ts';
import { isLoopback } from './api/guard.ts';
import type { ResolvedConfig } from './config/load.ts';
import type { Logger } from './observability/logger.ts';
import type { Undo } from './undo.ts';

/** Undefined where the API is in the clear. @throws MeshError INVALID_CONFIG. */
export async function loadCertificate(
  { api: { tls, host } }: Pick<ResolvedConfig, 'api'>,
  logger: Logger,
  undo: Undo,
): Promise<ServerCertificate | undefined> {
  if (tls === 'off') {
    const message = 'the API is open to the network in the clear, token and all: set api.tls, or put a proxy in front';
    if (!isLoopback(host)) logger.warn({ host }, message);
    return undefined;
  }
  const certificate = await ServerCertificate.load(tls);
  const stop = certificate.watch(
    () => logger.info('the API has a new certificate'),
    ({ code, message }) => logger.warn({ code }, `the API keeps its certificate: ${message}`),
  );
  undo.add(() => stop());
  return certificate;
}
