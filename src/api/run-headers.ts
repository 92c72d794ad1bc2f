/** Who answered a request, and where its time went: as headers of HTTP, and as metadata of gRPC. */
import type { RequestId } from '../core/ids.ts';
import { tilesOf, type RunReport } from '../core/report.ts';
import type { Timing } from './open-inference/service.ts';

export interface Told {
  readonly requestId: RequestId;
  readonly report: RunReport;
  readonly timing: Timing;
}

const ms = (duration: number): string => duration.toFixed(3);

/** `Server-Timing` as of https://www.w3.org/TR/server-timing/, in milliseconds. */
export const runHeaders = ({ requestId, report, timing }: Told): Readonly<Record<string, string>> => ({
  'server-timing': [
    `input;dur=${ms(timing.inputMs)}`,
    `mesh;dur=${ms(timing.inferMs)}`,
    `output;dur=${ms(timing.outputMs)}`,
  ].join(', '),
  'tilemesh-request-id': requestId,
  'tilemesh-entry': report.entry,
  'tilemesh-coordinator': report.coordinator,
  'tilemesh-attempts': String(report.attempts),
  'tilemesh-tiles': String(tilesOf(report)),
});
