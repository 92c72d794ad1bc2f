/** The peer as its clients are served: what was unloaded is refused, and every request counts. */
import { MeshError } from '../core/errors.ts';
import type { InferRequest, InferResult, ModelTask, PeerPort } from './port.ts';
import type { Statistics } from './statistics.ts';

export interface ServedPeer extends PeerPort {
  /** Names and ids that are refused. */
  readonly unloaded: Set<string>;
}

/** Samples in a request: the extent of the first axis of its first input, where that is open. */
function samplesIn({ inputs }: InferRequest, model: ModelTask | undefined): number {
  const [first] = model?.inputs ?? [];
  const isBatched = first !== undefined && typeof first.dims[0] !== 'number';
  return isBatched ? (inputs.get(first.name)?.shape[0] ?? 1) : 1;
}

export function servedPeer(peer: PeerPort, statistics: Statistics): ServedPeer {
  const unloaded = new Set<string>();
  const tasks = new Map<string, ModelTask>();

  const assertLoaded = (model: string): void => {
    if (!unloaded.has(model)) return;
    throw new MeshError(
      'MODEL_NOT_FOUND',
      `"${model}" is unloaded at this peer: load it with POST /v2/repository/models/${model}/load, or ask another peer`,
    );
  };

  return {
    ...peer,
    unloaded,
    async taskOf(model: string): Promise<ModelTask> {
      assertLoaded(model);
      const found = await peer.taskOf(model);
      assertLoaded(found.name);
      tasks.set(model, found);
      return found;
    },

    async infer(request: InferRequest): Promise<InferResult> {
      assertLoaded(request.model);
      const startedAt = performance.now();
      const model = tasks.get(request.model);
      try {
        const result = await peer.infer(request);
        const { report } = result;
        const queueMs = Math.max(0, performance.now() - startedAt - report.elapsedMs);
        statistics.succeeded(model?.name ?? report.model, report, { samples: samplesIn(request, model), queueMs });
        return result;
      } catch (error) {
        if (model !== undefined) statistics.failed(model.id, model.name, performance.now() - startedAt);
        throw error;
      }
    },
  };
}
