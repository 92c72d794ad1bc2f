/** A picture, a text, a series or an array to a model, which the peer prepares as the model's task says. */
import type { ProgressListener } from '../api/port.ts';
import { postForEvents } from './client.ts';
import type { RunRequest, RunResult } from './run-request.ts';

/** @throws UnreachableError, and MeshError with the code and words of the peer. */
export async function postPayload(
  request: RunRequest,
  body: Uint8Array,
  onProgress: ProgressListener,
): Promise<RunResult> {
  const result = await postForEvents(
    request.urls,
    {
      path: `/tilemesh/v1/models/${encodeURIComponent(request.model)}/run`,
      query: {
        parallelism: request.parallelism,
        verify: request.verify,
        requestId: request.requestId,
        deadlineMs: String(request.deadlineMs),
        outputs: request.wantsTensors ? 'npy' : undefined,
      },
      headers: { 'content-type': 'application/octet-stream' },
      body,
      signal: request.signal,
      isShared: true,
    },
    onProgress,
  );
  return result as RunResult;
}
