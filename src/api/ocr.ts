/** The pipeline `ocr`: one page in, many requests to the mesh, one answer and one report out. */
import { createHash, randomBytes } from 'node:crypto';
import { MeshError } from '../core/errors.ts';
import type { RequestId } from '../core/ids.ts';
import type { RunReport } from '../core/report.ts';
import type { Answer } from '../../models/tasks/answer.ts';
import { readPage } from '../../models/tasks/ocr.ts';
import type { Payload } from '../../models/tasks/payload.ts';
import { defined } from './query.ts';
import type { InferRequest, PeerPort, ProgressListener, WeightOrigin } from './port.ts';

/** Its name among the models; it cannot be imported, its three models can. */
export const OCR = 'ocr';

export type OcrRequest = Pick<
  InferRequest,
  'requestId' | 'client' | 'parallelism' | 'deadlineMs' | 'isVerified' | 'signal'
>;

export interface OcrResult {
  readonly requestId: RequestId;
  readonly weights: WeightOrigin;
  readonly answer: Answer;
  readonly report: RunReport;
}

/**
 * Each step is a request with an id of its own that follows from the page's, so that asking again at another peer brings
 * the same answer, computed once.
 * @throws MeshError UNSUPPORTED_MEDIA for what is no picture, DEADLINE_EXCEEDED, and of any code from the steps.
 */
export async function runOcr(
  peer: PeerPort,
  payload: Payload,
  request: OcrRequest,
  onProgress: ProgressListener,
): Promise<OcrResult> {
  const { client, parallelism, deadlineMs, isVerified, signal } = request;
  const { requestId = randomBytes(16).toString('hex') as RequestId } = request;
  if (payload.kind !== 'image') throw new MeshError('UNSUPPORTED_MEDIA', 'reading a page wants a picture');
  const startedAt = performance.now();
  const elapsedMs = (): number => performance.now() - startedAt;
  const failed = new AbortController();
  const steps = AbortSignal.any([signal, failed.signal]);
  const reports: RunReport[] = [];
  const origins = new Set<WeightOrigin>();
  try {
    const answer = await readPage(payload.bytes, {
      taskOf: async (model) => {
        const found = await peer.taskOf(model);
        origins.add(found.weights);
        return found;
      },
      infer: async (model, step, inputs) => {
        const result = await peer.infer({
          requestId: stepId(requestId, step),
          ...defined('client', client),
          model,
          inputs,
          parallelism,
          ...defined('isVerified', isVerified),
          ...(deadlineMs === undefined ? {} : { deadlineMs: remaining(deadlineMs, elapsedMs()) }),
          signal: steps,
        });
        reports.push(result.report);
        return result.outputs;
      },
      onProgress: (completed, total) => onProgress('reading lines', completed, total),
    });
    const weights = (['seeded', 'imported', 'trained'] as const).find((origin) => origins.has(origin)) ?? 'imported';
    return { requestId, weights, answer, report: joinReports(reports, elapsedMs()) };
  } finally {
    failed.abort(new MeshError('CANCELLED', 'another step of the page failed'));
  }
}

const stepId = (requestId: RequestId, step: string): RequestId =>
  createHash('sha256').update(`${requestId}/${step}`).digest('hex').slice(0, 32) as RequestId;

function remaining(deadlineMs: number, elapsedMs: number): number {
  if (elapsedMs < deadlineMs) return deadlineMs - elapsedMs;
  throw new MeshError('DEADLINE_EXCEEDED', 'the page was not read in time: allow more with --deadline');
}

/** Sums over all steps; the coordinator is that of the first, which finds the text. */
function joinReports(reports: readonly RunReport[], elapsedMs: number): RunReport {
  const [first] = reports;
  if (first === undefined) throw new MeshError('INTERNAL', 'a page was read without any request');
  const sum = (pick: (report: RunReport) => number): number =>
    reports.reduce((total, report) => total + pick(report), 0);
  return {
    ...first,
    model: OCR,
    term: Math.max(...reports.map(({ term }) => term)),
    attempts: Math.max(...reports.map(({ attempts }) => attempts)),
    elapsedMs,
    cut: `${reports.length} requests, the first ${first.cut}`,
    blocks: reports.flatMap(({ blocks }) => blocks),
    bytesPeerToPeer: sum(({ bytesPeerToPeer }) => bytesPeerToPeer),
    bytesThroughEntry: sum(({ bytesThroughEntry }) => bytesThroughEntry),
    predictedMs: sum(({ predictedMs }) => predictedMs),
    lostPeers: [...new Set(reports.flatMap(({ lostPeers }) => lostPeers))],
  };
}
