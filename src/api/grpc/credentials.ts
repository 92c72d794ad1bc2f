/** How the gRPC server is reached: in the clear, or by TLS with a certificate that may be replaced while it runs. */
import { ServerCredentials } from '@grpc/grpc-js';
import type { ServerCertificate } from '../certificate.ts';

class CertificateCredentials extends ServerCredentials {
  constructor(certificate: ServerCertificate) {
    super({}, { ...certificate.pair });
    certificate.onChange((pair) => this.updateSecureContextOptions({ ...pair }));
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}

export const credentialsOf = (certificate: ServerCertificate | undefined): ServerCredentials =>
  certificate === undefined ? ServerCredentials.createInsecure() : new CertificateCredentials(certificate);
