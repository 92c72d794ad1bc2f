/** One request of `tilemesh run`, and what comes back, whichever protocol carries it. */
import type { Answer } from '../../models/tasks/answer.ts';
import type { WeightOrigin } from '../api/port.ts';
import type { RunReport } from '../core/report.ts';

export interface RunRequest {
  readonly urls: readonly URL[];
  readonly model: string;
  readonly requestId: string;
  readonly parallelism: string;
  /** `all` or `share`. */
  readonly verify: string;
  readonly deadlineMs: number;
  readonly wantsTensors: boolean;
  readonly signal: AbortSignal;
}

export interface RunResult {
  readonly requestId: string;
  readonly answer: Answer;
  readonly weights?: WeightOrigin;
  readonly report?: RunReport;
  readonly outputs?: readonly { readonly name: string; readonly npy: string }[];
}
