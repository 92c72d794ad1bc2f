/** One running peer as the HTTP API and the library see it. */
import { randomBytes } from 'node:crypto';
import type {
  ImportOptions,
  InferRequest,
  InferResult,
  MemberView,
  ModelTask,
  ModelView,
  PeerPort,
  RemovedModel,
} from './api/port.ts';
import type { MembershipPort } from './api/membership-port.ts';
import type { ProgressListener } from './api/port.ts';
import { MeshError } from './core/errors.ts';
import type { ModelId, PeerId, RequestId } from './core/ids.ts';
import type { Entry } from './mesh/entry.ts';
import type { Membership } from './mesh/membership.ts';
import type { ModelLibrary } from './mesh/model-library.ts';
import type { Replicator } from './mesh/model-store/replicator.ts';
import type { OnImportProgress, OnSized } from './mesh/model-store/unpack.ts';
import type { ModelStore, StoredModel } from './mesh/model-store/model-store.ts';

export interface PeerPortParts {
  readonly self: PeerPort['self'];
  readonly membership: Membership;
  readonly trust: MembershipPort;
  /** Whether the mesh has shut it out. */
  readonly isBanned: (peer: PeerId) => boolean;
  readonly store: ModelStore;
  readonly library: ModelLibrary;
  /** Deletes a model and what was prepared of it. */
  readonly removeModel: (id: ModelId) => Promise<void>;
  readonly replicator: Replicator;
  readonly entry: Entry;
  readonly insight: PeerPort['insight'];
  readonly defaultDeadlineMs: number;
  /** Whether weights may be in use. */
  readonly isBusy: () => boolean;
  readonly onModelsChanged: () => void;
  readonly troubles: () => readonly string[];
  readonly drain: PeerPort['drain'];
}

const newRequestId = (): RequestId => randomBytes(16).toString('hex') as RequestId;

export function createPeerPort(parts: PeerPortParts): PeerPort {
  const { self, membership, store, library, replicator, entry } = parts;

  const modelView = ({ id, manifest, bytesHeld, usedAtMs }: StoredModel): ModelView => {
    const { inputs, outputs } = store.graph(id);
    const evictedAtMs = library.evictedAtMs(id);
    return {
      id,
      name: manifest.name,
      description: manifest.description,
      weights: manifest.weights,
      task: manifest.task.kind,
      inputs,
      outputs,
      bytesHeld,
      bytesTotal: manifest.blob.byteLength,
      usedAtMs,
      ...(evictedAtMs === undefined ? {} : { evictedAtMs }),
      bytesMissing: replicator.missingBytes(id),
      holders: [...(bytesHeld > 0 ? [self.id] : []), ...library.holders(id)],
    };
  };

  return {
    self,
    insight: parts.insight,
    membership: parts.trust,
    ready: () => membership.stateOf(self.id) === 'alive',
    members: () =>
      membership.members().map(({ peer, heartbeat, rttMs, silentMs, ...status }): MemberView => ({
        id: peer,
        name: heartbeat?.name ?? '',
        state: parts.isBanned(peer) ? 'banned' : status.state,
        isSelf: status.isSelf,
        addresses: status.addresses,
        ...(rttMs === null ? {} : { rttMs }),
        macsPerSecond: heartbeat?.macsPerSecond ?? 0,
        models: heartbeat?.models.map(({ name }) => name) ?? [],
        queueDepth: heartbeat?.queueDepth ?? 0,
        activeRequests: heartbeat?.activeRequests ?? 0,
        memoryBytes: heartbeat?.memoryBytes ?? 0,
        cpuPercent: heartbeat?.cpuPercent ?? 0,
        version: heartbeat?.version ?? '',
        lastSeenMs: silentMs,
      })),

    async models(): Promise<readonly ModelView[]> {
      // What other members announce becomes known here by its manifest, which is small.
      await library.learnAnnounced(AbortSignal.timeout(5_000));
      return store.list().map(modelView);
    },

    async taskOf(model: string): Promise<ModelTask> {
      const { id, manifest } = await library.find(model, AbortSignal.timeout(parts.defaultDeadlineMs));
      const { inputs, outputs } = store.graph(id);
      return { id, name: manifest.name, task: manifest.task, inputs, outputs, weights: manifest.weights };
    },

    async importOnnx(
      file: string,
      options: ImportOptions,
      onProgress: ProgressListener,
      signal: AbortSignal,
    ): Promise<ModelView> {
      const show: OnImportProgress = (completed, total) => onProgress('importing', completed, total);
      const take = (onSized: OnSized) => store.importOnnx(file, options, { signal, onProgress: show, onSized });
      const model = await library.takeIn(options.name, take, signal);
      parts.onModelsChanged();
      return modelView(model);
    },

    troubles: parts.troubles,
    drain: parts.drain,
    refusal: (client) => entry.refusal(client),
    async pull(model: string, onProgress: ProgressListener, signal: AbortSignal): Promise<ModelView> {
      const { id, manifest } = await library.find(model, signal, onProgress);
      const length = manifest.blob.byteLength;
      const show = (completed: number, total: number): void => onProgress('fetching weights', completed, total);
      if (length > 0) await library.weights(id, [{ offset: 0, length }], signal, show);
      parts.onModelsChanged();
      return modelView(store.get(id));
    },

    async remove(model: string): Promise<RemovedModel> {
      if (parts.isBusy()) throw new MeshError('CONFLICT', 'this peer is computing: try again when it is idle');
      const { id, manifest, bytesHeld } = store.get(store.resolve(model));
      const otherHolders = library.holders(id).length;
      library.forget(id);
      await parts.removeModel(id);
      parts.onModelsChanged();
      return { id, name: manifest.name, bytesFreed: bytesHeld, otherHolders };
    },

    async infer(request: InferRequest): Promise<InferResult> {
      const { signal, onProgress, client = 'local' } = request;
      const { id } = await library.find(request.model, signal, onProgress);
      return entry.infer({
        requestId: request.requestId ?? newRequestId(),
        isNamed: request.requestId !== undefined,
        client,
        model: request.model,
        modelId: id,
        inputs: request.inputs,
        parallelism: request.parallelism,
        deadlineMs: request.deadlineMs ?? parts.defaultDeadlineMs,
        isVerified: request.isVerified ?? false,
        signal,
        ...(onProgress === undefined ? {} : { onProgress }),
      });
    },
  };
}
