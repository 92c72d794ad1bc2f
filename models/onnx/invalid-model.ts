import { MeshError, type ErrorDetails } from '../../src/core/errors.ts';

export const invalidModel = (message: string, details: ErrorDetails = {}, cause?: unknown): MeshError =>
  new MeshError('INVALID_MODEL', message, { details, cause });
