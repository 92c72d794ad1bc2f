/** What a lane and its worker thread say to each other. Every request is answered once, in order. */
import type { ErrorCode } from '../../src/core/errors.ts';
import type { Tensor } from '../../src/core/tensor/tensor.ts';
import type { KernelRun } from '../kernel.ts';
import type { ExitGuard } from './exit-guard.ts';
import type { SessionDefinition } from './session-definition.ts';

export type Command =
  | { readonly kind: 'prepare'; readonly definition: SessionDefinition }
  | { readonly kind: 'run'; readonly session: string; readonly inputs: ReadonlyMap<string, Tensor> }
  | { readonly kind: 'release'; readonly session: string }
  /** Forget everything and end the thread. Not answered. */
  | { readonly kind: 'close' };

export interface Request {
  readonly id: number;
  readonly command: Command;
}

export type Reply =
  | { readonly id: number; readonly ok: true; readonly run?: KernelRun }
  | { readonly id: number; readonly ok: false; readonly code: ErrorCode; readonly message: string };

/** As the system shows it, so that the time spent computing can be told from all else. */
export const THREAD_NAME = 'kernel-lane';

/** How the thread is set up, as its `workerData`. */
export interface LaneSetup {
  /** Threads that one run uses inside the runtime. */
  readonly threads: number;
  readonly guard: ExitGuard;
}
