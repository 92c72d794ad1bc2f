/** What one peer lets its HTTP clients cost it. */
import { connectionLimits, type ConnectionLimits } from './connections.ts';
import type { RateLimits } from './guard.ts';

export interface ApiLimits extends RateLimits, ConnectionLimits {
  /** Largest body of one inference request. */
  readonly bodyBytes: number;
  /** Largest JSON document: parsing it blocks the peer for about 10 ms per MiB. */
  readonly jsonBytes: number;
  /** Bodies held in memory at the same time, over all clients. */
  readonly bodyBytesInFlight: number;
  /** Largest ONNX file taken in. */
  readonly modelBytes: number;
  /** Largest weights taken in beside an ONNX file. */
  readonly weightBytes: number;
  /** Models on their way in at the same time, over all clients. */
  readonly uploads: number;
  /** An upload that brings nothing for so long is given up. */
  readonly uploadIdleMs: number;
  /** Longest time one request may take to arrive. */
  readonly requestMs: number;
  /** How long closing waits for answers under way. */
  readonly closeMs: number;
}

export const API_LIMITS: ApiLimits = Object.freeze({
  bodyBytes: 64 * 1024 * 1024,
  jsonBytes: 16 * 1024 * 1024,
  bodyBytesInFlight: 128 * 1024 * 1024,
  modelBytes: 2 * 1024 * 1024 * 1024,
  weightBytes: 32 * 1024 * 1024 * 1024,
  uploads: 2,
  uploadIdleMs: 30_000,
  requestMs: 15 * 60_000,
  closeMs: 2_000,
  requestsPerSecond: 500,
  requestBurst: 1_000,
  requestsInFlight: 128,
  ...connectionLimits(null),
});
