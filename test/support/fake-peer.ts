/** A peer without a mesh: doubles what it is given, and waits where a test wants it to. */
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { Registry } from 'prom-client';
import type { Insight } from '../../src/api/insight.ts';
import { Journal } from '../../src/observability/journal.ts';
import { API_LIMITS } from '../../src/api/limits.ts';
import type { MembershipPort } from '../../src/api/membership-port.ts';
import type { ImportOptions, InferRequest, MemberView, ModelView, PeerPort, WeightOrigin } from '../../src/api/port.ts';
import { startApi, type Api, type ApiOptions } from '../../src/api/server.ts';
import { MeshError, type Failure } from '../../src/core/errors.ts';
import type { ValueInfo } from '../../src/core/graph/graph.ts';
import { asPeerId, type ModelId, type PeerId, type RequestId } from '../../src/core/ids.ts';
import type { RunReport } from '../../src/core/report.ts';
import { fromFloat32, numberValues } from '../../src/core/tensor/tensor.ts';
import { imagenetImage } from '../../models/tasks/image-spec.ts';
import type { TaskSpec } from '../../models/tasks/task.ts';

export const SELF = asPeerId('12D3KooWSelf');
export const OTHER = asPeerId('12D3KooWOther');
export const MODEL_ID = 'ab'.repeat(32) as ModelId;

/** Of its API. */
export const TOKEN = 'token-of-the-fake-peer';

/** Nobody is banned before a test says so. */
function fakeMembership(): MembershipPort {
  const banned = new Set<PeerId>();
  const trusted = new Set<PeerId>();
  const add = (list: Set<PeerId>) => (peer: PeerId) => Promise.resolve(void list.add(peer));
  return {
    view: () => ({
      mesh: 'home',
      level: 'pinned',
      isAdministrator: true,
      invitations: 0,
      banned: [...banned],
      trusted: [...trusted],
      pending: [],
    }),
    invite: () => ({ token: '7K2M-9QXD-R4TW', expiresAtMs: Date.now() + 3_600_000 }),
    trust: add(trusted),
    ban: add(banned),
    unban: (peer) => Promise.resolve(void banned.delete(peer)),
    rotate: () => Promise.resolve(),
  };
}

export interface FakeModel {
  readonly task: TaskSpec;
  readonly inputs: readonly ValueInfo[];
  readonly weights: WeightOrigin;
}

const VECTOR: ValueInfo = { name: 'x', type: 'float32', dims: ['batch', 4] };
export const DOUBLING: FakeModel = { task: { kind: 'tensors' }, inputs: [VECTOR], weights: 'trained' };

const SIDE = 8;
/** Reads pictures of 8x8; what it answers has as many classes as such a picture has values. */
export const PICTURES: FakeModel = {
  task: {
    kind: 'image-classification',
    input: 'x',
    output: 'y',
    image: imagenetImage(SIDE),
    labels: Array.from({ length: 3 * SIDE * SIDE }, (_, index) => `class ${index}`),
    isSoftmaxed: false,
    topK: 3,
  },
  inputs: [{ name: 'x', type: 'float32', dims: ['batch', 3, SIDE, SIDE] }],
  weights: 'seeded',
};

export const report = (overrides: Partial<RunReport> = {}): RunReport => ({
  model: 'double',
  modelId: MODEL_ID,
  coordinator: OTHER,
  entry: SELF,
  names: { [SELF]: 'kitchen', [OTHER]: 'gar\x1b[31mage' },
  term: 1,
  attempts: 1,
  elapsedMs: 12.5,
  cut: 'rows, 2 parts',
  blocks: [
    {
      nodes: ['double'],
      cut: 'rows, 2 parts',
      parts: [
        { peer: SELF, region: '[0:1, 0:2]', computeMs: 1, haloBytes: 0 },
        { peer: OTHER, region: '[0:1, 2:4]', computeMs: 2, haloBytes: 8 },
      ],
    },
  ],
  bytesPeerToPeer: 8,
  bytesThroughEntry: 32,
  predictedMs: 10,
  lostPeers: [],
  ...overrides,
});

export const member = (overrides: Partial<MemberView> = {}): MemberView => ({
  id: SELF,
  name: 'kitchen',
  state: 'alive',
  isSelf: true,
  addresses: [],
  macsPerSecond: 5e9,
  models: ['double'],
  queueDepth: 0,
  activeRequests: 1,
  memoryBytes: 1e8,
  cpuPercent: 25,
  version: '0.1.0',
  lastSeenMs: 0,
  ...overrides,
});

export interface FakePeer extends PeerPort {
  readonly requests: InferRequest[];
  readonly imports: { readonly options: ImportOptions; readonly bytes: Uint8Array; readonly file: string }[];
}

export interface FakeOptions {
  readonly insight?: Partial<Insight>;
  readonly model?: FakeModel;
  readonly members?: readonly MemberView[];
  readonly isReady?: boolean;
  readonly troubles?: readonly string[];
  /** Whether all was finished when it was asked to drain. */
  readonly isDrained?: boolean;
  readonly refusal?: (client: string) => Failure | undefined;
  /** Runs before the answer; may throw or wait. */
  readonly beforeAnswer?: (request: InferRequest) => Promise<void>;
  readonly onImport?: (file: string) => void | Promise<void>;
}

export function fakePeer(options: FakeOptions = {}): FakePeer {
  const model = options.model ?? DOUBLING;
  const requests: FakePeer['requests'] = [];
  const imports: FakePeer['imports'] = [];
  const view = (name: string): ModelView => ({
    id: MODEL_ID,
    name,
    description: 'doubles',
    weights: model.weights,
    task: model.task.kind,
    inputs: model.inputs,
    outputs: model.inputs.map((input) => ({ ...input, name: 'y' })),
    bytesHeld: 500,
    bytesTotal: 1000,
    usedAtMs: 0,
    bytesMissing: 0,
    holders: [SELF, OTHER],
  });
  const known = (name: string): void => {
    if (name !== 'double' && name !== MODEL_ID) throw new MeshError('MODEL_NOT_FOUND', `no peer has a model "${name}"`);
  };
  return {
    requests,
    imports,
    membership: fakeMembership(),
    self: { id: SELF, name: 'kitchen', mesh: 'home', version: '0.1.0', kernel: 'wasm' },
    insight: {
      requests: () => Promise.resolve([]),
      trace: (requestId) => Promise.reject(new MeshError('NOT_FOUND', `no peer remembers request ${requestId}`)),
      cards: () => Promise.resolve([]),
      ping: () => Promise.resolve([1.5]),
      events: new Journal(16),
      logs: new Journal(16),
      ...options.insight,
    },
    troubles: () => options.troubles ?? [],
    ready: () => options.isReady ?? true,
    members: () => options.members ?? [member()],
    models: () => Promise.resolve([view('double')]),
    // eslint-disable-next-line @typescript-eslint/require-await
    taskOf: async (name) => {
      known(name);
      return { id: MODEL_ID, name: 'double', outputs: view('double').outputs, ...model };
    },
    importOnnx: async (file, given, onProgress) => {
      imports.push({ options: given, bytes: await readFile(file), file });
      await options.onImport?.(file);
      onProgress('hashing', 1, 2);
      return view(given.name);
    },
    refusal: (client) => options.refusal?.(client),
    drain: () => Promise.resolve(options.isDrained ?? true),
    // eslint-disable-next-line @typescript-eslint/require-await
    pull: async (name, onProgress) => {
      known(name);
      onProgress('fetching weights', 1, 2);
      return view(name);
    },
    // eslint-disable-next-line @typescript-eslint/require-await
    remove: async (name) => {
      known(name);
      return { id: MODEL_ID, name, bytesFreed: 500, otherHolders: 1 };
    },
    infer: async (request) => {
      requests.push(request);
      known(request.model);
      request.onProgress?.('computing', 1, 2);
      await options.beforeAnswer?.(request);
      const [first] = request.inputs.values();
      const doubled = numberValues(first!).map((value) => value * 2);
      const requestId = request.requestId ?? ('0'.repeat(32) as RequestId);
      return { requestId, outputs: new Map([['y', fromFloat32(first!.shape, doubled)]]), report: report() };
    },
  };
}

const UPLOADS = join(tmpdir(), `tilemesh-test-${process.pid}`);
process.once('exit', () => rmSync(UPLOADS, { recursive: true, force: true }));

export const startFakeApi = (peer: PeerPort, overrides: Partial<ApiOptions> = {}): Promise<Api> =>
  startApi(peer, {
    host: '127.0.0.1',
    port: 0,
    temporaryFolder: UPLOADS,
    limits: API_LIMITS,
    registry: new Registry(),
    onError: () => undefined,
    token: TOKEN,
    ...overrides,
  });
