/** Errors as gRPC: the status of their code, and the message that says what to do. */
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { ERROR_CODES, type MeshError } from '../../core/errors.ts';

/** By the HTTP status that each code of ours has: one table says what an error means to a client. */
const OF_HTTP: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  409: status.ABORTED,
  413: status.RESOURCE_EXHAUSTED,
  415: status.INVALID_ARGUMENT,
  429: status.RESOURCE_EXHAUSTED,
  499: status.CANCELLED,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
};

export function serviceError(error: MeshError): ServiceError {
  const code = OF_HTTP[ERROR_CODES[error.code].status] ?? status.INTERNAL;
  const metadata = new Metadata();
  metadata.set('tilemesh-code', error.code);
  return Object.assign(new Error(error.message), { code, details: error.message, metadata });
}
