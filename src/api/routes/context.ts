/** What every group of routes is given. */
import type { Registry } from 'prom-client';
import type { MeshError } from '../../core/errors.ts';
import type { ApiLimits } from '../limits.ts';
import type { InferenceService } from '../open-inference/service.ts';
import type { PeerPort } from '../port.ts';
import type { Statistics } from '../statistics.ts';

export interface RouteContext {
  readonly peer: PeerPort;
  readonly inference: InferenceService;
  readonly statistics: Statistics;
  readonly registry: Registry;
  readonly limits: ApiLimits;
  /** Folder for uploads, on the disk the models are kept on. */
  readonly temporaryFolder: string;
  /** Aborts when the API closes. */
  readonly closing: AbortSignal;
  readonly onError: (error: MeshError) => void;
}

export interface ModelParameters {
  readonly Params: { readonly model: string };
}
