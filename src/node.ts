/**
 * The composition root: the one place where configuration, libp2p, kernels and the actors of the mesh meet. A peer is made
 * of these parts and nothing else; read this file first.
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ServiceFactoryMap } from 'libp2p';
import { openKernel } from '../kernels/open.ts';
import { blobs, type BlobsService } from '../protocols/blobs/service.ts';
import { answers, type AnswersService } from '../protocols/answers/service.ts';
import { election, type ElectionService } from '../protocols/election/service.ts';
import { lanes, type LaneChoice, type LanesService } from '../protocols/lane/service.ts';
import { health, type HealthService } from '../protocols/health/service.ts';
import { pieces, type PiecesService } from '../protocols/pieces/service.ts';
import { plan, type PlanService } from '../protocols/plan/service.ts';
import { API_LIMITS } from './api/limits.ts';
import type { PeerPort } from './api/port.ts';
import { startApi } from './api/server.ts';
import type { ResolvedConfig } from './config/load.ts';
import { asPeerId } from './core/ids.ts';
import { Directory } from './mesh/directory.ts';
import { drain, QUIET_MS } from './mesh/drain.ts';
import { createHost, startHost } from './mesh/host.ts';
import { loadIdentity, lockFolder } from './mesh/identity.ts';
import { Membership } from './mesh/membership.ts';
import { ModelLibrary } from './mesh/model-library.ts';
import { ModelFetcher } from './mesh/model-store/fetcher.ts';
import { ModelStore } from './mesh/model-store/model-store.ts';
import { blobProvider } from './mesh/model-store/provider.ts';
import { Replicator, REPLICATOR_DEFAULTS } from './mesh/model-store/replicator.ts';
import { PeerActors } from './mesh/peer-actors.ts';
import { PlanThread } from './mesh/plan-thread.ts';
import { SYSTEM_CLOCK } from './mesh/ports.ts';
import { ProgramShelf } from './mesh/program-shelf.ts';
import { SpeedGauge } from './speed-gauge.ts';
import { createLogger, type Logger } from './observability/logger.ts';
import { createPeerPort } from './peer-port.ts';

/** A running peer. */
export interface Peer extends PeerPort {
  /** `http://127.0.0.1:8470` */
  readonly apiUrl: string;
  /**
   * Takes nothing new and finishes what is in hand, until the deadline of the configuration. Resolves to whether all was
   * finished. Call `stop` afterwards.
   */
  drain(): Promise<boolean>;
  /** Leaves the mesh, cancels what is under way and releases everything. Safe to call twice. */
  stop(): Promise<void>;
}

interface Services extends Record<string, unknown> {
  /** Absent when configuration asks for streams only. */
  readonly lanes?: LanesService;
  readonly election: ElectionService;
  readonly plan: PlanService;
  readonly pieces: PiecesService;
  readonly blobs: BlobsService;
  readonly answers: AnswersService;
  readonly health: HealthService;
}

/** Programs kept for later requests; sessions of plans that are not made again would pile up otherwise. */
const MAX_SHELF_BYTES = 256 * 2 ** 20;
/** The part of the memory that inputs of requests may take while they run or wait. */
const INPUT_SHARE = 8;
/** How often what this peer says of itself is brought up to date. */
const LOAD_INTERVAL_MS = 500;

async function programVersion(): Promise<string> {
  for (const path of ['../package.json', '../../package.json']) {
    const text = await readFile(new URL(path, import.meta.url), 'utf8').catch(() => undefined);
    if (text !== undefined) return (JSON.parse(text) as { readonly version: string }).version;
  }
  return '0.0.0';
}

/** Ids under which protocols are spoken where they are not those of this build: how a build with newer ones is tested. */
export type ProtocolVersions = Readonly<
  Partial<Record<keyof Services & string, { readonly protocol: string; readonly olderProtocols: readonly string[] }>>
>;

/** Heartbeats and models keep to streams: the ones must not depend on a lane, the others are too big for one. */
function protocolServices(
  { dataPlane }: ResolvedConfig,
  versions: ProtocolVersions,
  logger: Logger,
): ServiceFactoryMap<Services> {
  const usesLanes = dataPlane.carrier === 'auto';
  const onChoice = ({ peer, ...choice }: LaneChoice): void =>
    logger.debug({ actor: 'lanes', peer, ...choice }, `pieces to a peer go by ${choice.carrier}`);
  return {
    ...(usesLanes ? { lanes: lanes({ port: dataPlane.port, onChoice, ...versions.lanes }) } : {}),
    election: election({ usesLanes, ...versions.election }),
    plan: plan({ usesLanes, ...versions.plan }),
    pieces: pieces({ usesLanes, ...versions.pieces }),
    blobs: blobs(versions.blobs),
    answers: answers({ usesLanes, ...versions.answers }),
    health: health(versions.health),
  };
}

/** Undoes steps in the opposite order, whatever becomes of each. */
class Undo {
  readonly #steps: (() => unknown)[] = [];
  #done: Promise<void> | undefined;

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  run(): Promise<void> {
    this.#done ??= this.#runAll();
    return this.#done;
  }

  async #runAll(): Promise<void> {
    for (const step of this.#steps.reverse()) {
      try {
        await step();
      } catch {
        // The next step must be undone all the same.
      }
    }
  }
}

/**
 * Starts a peer: it listens, looks for others, and takes requests as soon as it is ready.
 * @throws MeshError DATA_FOLDER_IN_USE, PORT_IN_USE, INVALID_CONFIG, STORAGE_FAILED.
 */
export async function createPeer(config: ResolvedConfig, versions: ProtocolVersions = {}): Promise<Peer> {
  const undo = new Undo();
  try {
    return await assemble(config, versions, undo);
  } catch (error) {
    await undo.run();
    throw error;
  }
}

async function assemble(config: ResolvedConfig, versions: ProtocolVersions, undo: Undo): Promise<Peer> {
  const version = await programVersion();
  const logger = createLogger(config.log.level);
  const lock = await lockFolder(config.data);
  undo.add(() => lock.release());
  const privateKey = await loadIdentity(config.data);
  const store = await ModelStore.open(config.data, (error) => logger.warn({ code: error.code }, error.message));
  undo.add(() => store.close());
  const { name, lanes, threads } = config.kernel;
  const kernel = await openKernel(
    { name, lanes: lanes || 1, threadsPerLane: threads || availableParallelism() },
    (message) => logger.warn({ actor: 'kernel' }, message),
  );
  undo.add(() => kernel.close());
  const memoryBudgetBytes = Math.min(config.memory.budgetBytes, kernel.memoryBytes);

  const host = await createHost<Services>({
    privateKey,
    mesh: config.mesh,
    listen: config.listen,
    discovery: config.discovery,
    logger,
    services: protocolServices(config, versions, logger),
  });
  const { services } = host;
  const membership = new Membership({
    host,
    health: services.health,
    logger: logger.child({ actor: 'membership' }),
    local: {
      mesh: config.mesh,
      name: config.name,
      version,
      state: 'joining',
      startedAtMs: Date.now(),
      macsPerSecond: 0,
      memoryBudgetBytes,
      queueDepth: 0,
      activeRequests: 0,
      models: [],
    },
  });
  const directory = new Directory(membership);

  const announce = (): void => membership.setLocal({ models: library.held() });
  const fetcher = new ModelFetcher({
    store,
    source: services.blobs,
    holders: (id) => library.holders(id),
    onLie: (peer, error) => membership.penalise(peer, 20, error.message),
  });
  undo.add(() => fetcher.close());
  const library: ModelLibrary = new ModelLibrary({
    self: directory.self,
    store,
    fetcher,
    announcements: () => directory.announcements(),
    onChange: announce,
  });
  services.blobs.provide(blobProvider(store));

  const planner = new PlanThread();
  undo.add(() => planner.close());
  const actors = new PeerActors({
    members: directory,
    elections: services.election,
    plans: services.plan,
    pieces: services.pieces,
    answers: services.answers,
    models: library,
    shelf: new ProgramShelf(kernel, Math.min(MAX_SHELF_BYTES, memoryBudgetBytes / 2)),
    planner,
    clock: SYSTEM_CLOCK,
    logger,
    limits: {
      maxConcurrent: config.requests.maxConcurrent,
      maxQueued: config.requests.maxQueued,
      maxInputBytes: memoryBudgetBytes / INPUT_SHARE,
    },
    mapBytes: memoryBudgetBytes / 2,
    arithmetic: config.kernel.arithmetic,
  });
  actors.start();
  undo.add(() => actors.stop());

  for (const service of [services.election, services.plan, services.answers])
    service.onMessage((from) => membership.heard(from));
  services.pieces.onPiece((from) => membership.heard(from));
  membership.start();
  await startHost(host, config);
  undo.add(() => host.stop());
  undo.add(() => membership.stop());

  const replicator = new Replicator(
    {
      self: directory.self,
      store,
      fetcher,
      models: () => library.known(),
      members: () => directory.available().map(({ peer }) => peer),
      isIdle: () => actors.load === 0,
      onFailure: (model, { code, message }) => logger.debug({ model, code }, message),
    },
    { ...REPLICATOR_DEFAULTS, copies: config.models.copies, budgetBytes: config.models.diskBudgetBytes },
  );
  replicator.start();
  undo.add(() => replicator.stop());

  const id = asPeerId(host.peerId.toString());
  const self = { id, name: config.name, mesh: config.mesh, version, kernel: kernel.name };
  const port = createPeerPort({
    self,
    membership,
    store,
    library,
    replicator,
    entry: actors.entry,
    defaultDeadlineMs: config.requests.defaultDeadlineMs,
    onModelsChanged: announce,
  });
  const api = await startApi(port, {
    ...config.api,
    temporaryFolder: join(config.data, 'uploads'),
    limits: API_LIMITS,
    onError: ({ code, message }) => logger.debug({ code }, message),
  });
  undo.add(() => api.close());

  const speed = new SpeedGauge(kernel, () => actors.load === 0, config.kernel.macsPerSecond);
  undo.add(() => speed.stop());
  const macsPerSecond = await speed.start((faster) => membership.setLocal({ macsPerSecond: faster }));
  membership.setLocal({ state: 'alive', macsPerSecond, apiAddress: api.url, models: library.held() });
  let spread = '';
  const timer = setInterval(() => {
    const { load } = actors;
    membership.setLocal({ queueDepth: load, activeRequests: actors.entry.load, models: library.held() });
    const toSpread = JSON.stringify([library.known(), directory.available().map(({ peer }) => peer)]);
    if (toSpread !== spread) replicator.nudge();
    spread = toSpread;
  }, LOAD_INTERVAL_MS);
  undo.add(() => clearInterval(timer));
  const leave = async (): Promise<boolean> => {
    logger.info({ requests: actors.entry.load + actors.entry.waiting }, 'draining');
    const announce = (): void => {
      actors.drain();
      membership.setLocal({ state: 'draining' });
    };
    const isQuiet = (): boolean => actors.isQuiet && api.active === 0;
    const settings = { quietMs: QUIET_MS, deadlineMs: config.requests.drainMs };
    const isDone = await drain({ clock: SYSTEM_CLOCK, announce, isQuiet }, settings);
    if (isDone) logger.info('drained');
    else logger.warn({ drainMs: settings.deadlineMs }, 'not drained in time: what is left is handed over');
    return isDone;
  };
  return { ...port, apiUrl: api.url, drain: leave, stop: () => undo.run() };
}
