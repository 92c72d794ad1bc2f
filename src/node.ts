/**
 * The composition root: the one place where configuration, libp2p, kernels and the actors of the mesh meet. A peer is made
 * of these parts and nothing else; read this file first.
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { Registry } from 'prom-client';
import { openKernel } from '../kernels/open.ts';
import { describeSetting } from '../kernels/setting.ts';
import { connectionLimits } from './api/connections.ts';
import { loadCertificate } from './api-certificate.ts';
import { API_LIMITS } from './api/limits.ts';
import type { MeshEvent } from './api/insight.ts';
import type { PeerPort } from './api/port.ts';
import { startApi } from './api/server.ts';
import { loadApiToken } from './api/token.ts';
import type { ResolvedConfig } from './config/load.ts';
import type { ErrorCode, MeshError } from './core/errors.ts';
import { asPeerId, type PeerId } from './core/ids.ts';
import type { MemberState } from './core/membership/member.ts';
import { Directory } from './mesh/directory.ts';
import { drain, QUIET_MS } from './mesh/drain.ts';
import { createHost, startHost } from './mesh/host.ts';
import { Inspector } from './mesh/inspector.ts';
import { loadIdentity, lockFolder } from './mesh/identity.ts';
import { Membership } from './mesh/membership.ts';
import { ModelStore } from './mesh/model-store/model-store.ts';
import { Replicator, REPLICATOR_DEFAULTS } from './mesh/model-store/replicator.ts';
import { PeerActors } from './mesh/peer-actors.ts';
import { PlanThread } from './mesh/plan-thread.ts';
import { SYSTEM_CLOCK } from './mesh/ports.ts';
import { RoundTripHistory } from './mesh/round-trip-history.ts';
import { ProgramShelf } from './mesh/program-shelf.ts';
import { CharterGossip } from './mesh/trust/charter-gossip.ts';
import { openTrust } from './mesh/trust/open-trust.ts';
import type { Invitation } from './mesh/trust/issued-invitations.ts';
import { protocolServices, type ProtocolVersions, type Services } from './protocol-services.ts';
import { LayerGauge } from './layer-gauge.ts';
import { SpeedGauge } from './speed-gauge.ts';
import { keepTelling, TELL_INTERVAL_MS } from './telling.ts';
import { Undo } from './undo.ts';
import { CHECK_INTERVAL_MS, DescriptorWatch } from './observability/descriptors.ts';
import { libp2pMetrics } from './observability/libp2p-metrics.ts';
import { Journal } from './observability/journal.ts';
import { createLogger, tee } from './observability/logger.ts';
import { journalEvents } from './mesh-events.ts';
import { makePeerCard } from './peer-card.ts';
import { composeModels, type PeerModels } from './peer-models.ts';
import { createPeerPort } from './peer-port.ts';

/** A running peer. */
export interface Peer extends PeerPort {
  /** `http://127.0.0.1:8470`, `https:` with a certificate */
  readonly apiUrl: string;
  /** Where it began a mesh just now: how another board joins. */
  readonly invitation: Invitation | null;
  /** Where the Open Inference Protocol is served over gRPC; absent where that is off. */
  readonly grpcPort?: number;
  /** Leaves the mesh, cancels what is under way and releases everything. Safe to call twice. */
  stop(): Promise<void>;
}

/** Programs kept for later requests; sessions of plans that are not made again would pile up otherwise. */
const MAX_SHELF_BYTES = 256 * 2 ** 20;
/** A frame that cannot be read: ten within a minute or so, and the peer is banned. */
const VIOLATION_PENALTY = 10;
/** The part of the memory that measuring a layer may take. */
const LAYER_SHARE = 8;
/** The part of the memory that inputs of requests may take while they run or wait. */
const INPUT_SHARE = 8;
/** The fault of this machine, not of a request. */
const OWN_FAILURES: ReadonlySet<ErrorCode> = new Set(['STORAGE_FAILED', 'KERNEL_FAILED', 'INTERNAL']);
/** What is kept for those who ask later. */
const KEPT_EVENTS = 512;
const KEPT_LOGS = 1024;

/** Members that may answer questions. */
const isAsked = (state: MemberState): boolean => ['alive', 'suspect', 'draining', 'joining'].includes(state);

async function programVersion(): Promise<string> {
  for (const path of ['../package.json', '../../package.json']) {
    const text = await readFile(new URL(path, import.meta.url), 'utf8').catch(() => undefined);
    if (text !== undefined) return (JSON.parse(text) as { readonly version: string }).version;
  }
  return '0.0.0';
}

/**
 * Starts a peer: it listens, looks for others, and takes requests as soon as it is ready.
 * @param open opens the kernel: how a peer is tested that computes wrongly.
 * @throws MeshError DATA_FOLDER_IN_USE, PORT_IN_USE, INVALID_CONFIG, STORAGE_FAILED.
 */
export async function createPeer(
  config: ResolvedConfig,
  versions: ProtocolVersions = {},
  open: typeof openKernel = openKernel,
): Promise<Peer> {
  const undo = new Undo();
  try {
    return await assemble(config, versions, open, undo);
  } catch (error) {
    await undo.run();
    throw error;
  }
}

async function assemble(
  config: ResolvedConfig,
  versions: ProtocolVersions,
  open: typeof openKernel,
  undo: Undo,
): Promise<Peer> {
  const version = await programVersion();
  const logs = new Journal<string>(KEPT_LOGS);
  const logger = createLogger(
    config.log.level,
    tee((record) => logs.write(record)),
  );
  const descriptors = await DescriptorWatch.open(logger);
  const watching = setInterval(() => void descriptors.check(), CHECK_INTERVAL_MS);
  undo.add(() => clearInterval(watching));
  const lock = await lockFolder(config.data);
  undo.add(() => lock.release());
  const privateKey = await loadIdentity(config.data);
  const trust = await openTrust(asPeerId(peerIdFromPrivateKey(privateKey).toString()), config, logger);
  undo.add(() => trust.close());
  const invitation = trust.hasBegun && !trust.isConfigured ? trust.invite() : null;
  const { mesh } = trust;
  const store = await ModelStore.open(config.data, (error) => logger.warn({ code: error.code }, error.message));
  undo.add(() => store.close());
  const { name, lanes, threads, isolation } = config.kernel;
  const threadsPerLane = threads || availableParallelism();
  const kernel = await open({ name, lanes: lanes || 1, threadsPerLane, isolation }, (message) =>
    logger.warn({ actor: 'kernel' }, message),
  );
  undo.add(() => kernel.close());
  const memoryBudgetBytes = Math.min(config.memory.budgetBytes, kernel.memoryBytes);

  const registry = new Registry();
  const host = await createHost<Services>({
    privateKey,
    trust,
    listen: config.listen,
    discovery: config.discovery,
    logger,
    ...(descriptors.limit === null ? {} : { descriptors: descriptors.limit }),
    metrics: libp2pMetrics(registry),
    services: protocolServices(config, versions, logger),
  });
  const { services } = host;
  const membership = new Membership({
    host,
    health: services.health,
    logger: logger.child({ actor: 'membership' }),
    local: {
      mesh,
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

  const events = new Journal<MeshEvent>(KEPT_EVENTS);
  const announce = (): void => {
    membership.setLocal({ models: models.library.held() });
    considerModels();
    events.write({ kind: 'models-changed' });
  };
  const shelf = new ProgramShelf(kernel, Math.min(MAX_SHELF_BYTES, memoryBudgetBytes / 2));
  const models: PeerModels = composeModels({
    self: directory.self,
    store,
    source: services.blobs,
    shelf,
    announcements: () => directory.announcements(),
    diskBudgetBytes: config.models.diskBudgetBytes,
    onChange: announce,
    onLie: (peer, error) => membership.penalise(peer, 20, error.message),
    onEvicted: ({ id, manifest: { name: text } }) => {
      logger.info({ model: id, name: text }, 'a model went from the disk to make room');
      events.write({ kind: 'model-evicted', text });
      announce();
    },
  });
  const { library, fetcher } = models;
  undo.add(() => fetcher.close());

  const layers = await LayerGauge.open({
    kernel,
    path: join(config.data, 'layer-times.json'),
    machine: describeSetting(kernel.name, threadsPerLane),
    pinned: config.kernel.layers,
    maxBytes: kernel.name === 'reference' ? 0 : memoryBudgetBytes / LAYER_SHARE,
    isIdle: () => actors.load === 0,
    logger: logger.child({ actor: 'kernel' }),
  });
  undo.add(() => layers.stop());
  const considerModels = (): void => {
    if (config.kernel.arithmetic === 'fast')
      for (const { id } of store.list()) layers.considerModel(id, () => store.graph(id));
  };
  const planner = new PlanThread();
  undo.add(() => planner.close());
  const actors = new PeerActors({
    members: directory,
    elections: services.election,
    plans: services.plan,
    pieces: services.pieces,
    answers: services.answers,
    models: library,
    shelf,
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
    layers,
    verifiedShare: config.verify.share,
  });
  actors.start();
  undo.add(() => actors.stop());

  for (const service of [services.election, services.plan, services.answers])
    service.onMessage((from) => membership.heard(from));
  services.pieces.onPiece((from) => membership.heard(from));
  const violated = (peer: PeerId, { message }: MeshError): void =>
    membership.penalise(peer, VIOLATION_PENALTY, message);
  for (const service of [services.election, services.plan, services.pieces, services.blobs, services.charters]) {
    service.onViolation(violated);
  }
  membership.start();
  const gossip = new CharterGossip({
    trust,
    channel: services.charters,
    host,
    onForgery: (peer, error) => membership.penalise(peer, 20, error.message),
  });
  gossip.start();
  undo.add(() => gossip.stop());
  await startHost(host, config);
  undo.add(() => host.stop());
  undo.add(() => membership.stop());

  const replicator = new Replicator(
    {
      self: directory.self,
      store,
      fetcher,
      models: () => library.wanted(),
      members: () => directory.available().map(({ peer }) => peer),
      hasRoomFor: (bytes) => models.space.fits({ bytes, isAsked: false }),
      isIdle: () => actors.load === 0,
      onFailure: (model, { code, message }) => logger.debug({ model, code }, message),
    },
    { ...REPLICATOR_DEFAULTS, copies: config.models.copies },
  );
  replicator.start();
  undo.add(() => replicator.stop());

  const id = asPeerId(host.peerId.toString());
  const self = { id, name: config.name, mesh, version, kernel: kernel.name };
  undo.add(
    journalEvents(events, {
      membership,
      records: actors.records,
      nameOf: (peer) => directory.nameOf(peer),
      detailOf: (peer) => membership.members().find((member) => member.peer === peer)?.detail ?? null,
    }),
  );
  const roundTrips = new RoundTripHistory();
  const inspector = new Inspector({
    self: id,
    channel: services.inspect,
    others: () => membership.members().flatMap(({ peer, isSelf, state }) => (isSelf || !isAsked(state) ? [] : [peer])),
    nameOf: (peer) => (peer === id ? config.name : directory.nameOf(peer)),
    records: actors.records,
    preparation: actors.preparation,
    clock: SYSTEM_CLOCK,
    roundTrips,
    card: () =>
      makePeerCard({
        self,
        membership,
        tally: actors.records.tally,
        roundTrips,
        dataFolder: config.data,
        descriptors: descriptors.use,
      }),
  });
  services.inspect.provide(inspector.provider());
  services.inspect.onViolation((peer, error) => membership.penalise(peer, 10, error.message));
  const port = createPeerPort({
    self,
    isBanned: (peer) => trust.isBanned(peer),
    membership,
    store,
    library,
    removeModel: (id) => models.remove(id),
    replicator,
    entry: actors.entry,
    insight: {
      requests: (scope, signal) => inspector.requests(scope, signal),
      trace: (requestId, signal) => inspector.trace(requestId, signal),
      cards: (signal) => inspector.cards(signal),
      ping: (peer, times, signal) => inspector.ping(peer, times, signal),
      events,
      logs,
    },
    defaultDeadlineMs: config.requests.defaultDeadlineMs,
    isBusy: () => actors.load > 0 || actors.entry.load > 0 || actors.coordinator.load > 0,
    onModelsChanged: announce,
    troubles: () => (descriptors.trouble === undefined ? [] : [descriptors.trouble]),
    trust,
    drain: () => leave(),
  });
  const { grpcPort } = config.api;
  const certificate = await loadCertificate(config, logger, undo);
  const api = await startApi(port, {
    host: config.api.host,
    port: config.api.port,
    token: await loadApiToken(config.data, config.api.token),
    ...(grpcPort === 'off' ? {} : { grpcPort }),
    ...(certificate === undefined ? {} : { certificate }),
    registry,
    temporaryFolder: join(config.data, 'uploads'),
    limits: {
      ...API_LIMITS,
      ...connectionLimits(descriptors.limit),
      weightBytes: Math.min(API_LIMITS.weightBytes, config.models.diskBudgetBytes),
    },
    // What clients ask in vain is theirs to know; what fails here is for whoever runs the peer as well.
    onError: ({ code, message }) => logger[OWN_FAILURES.has(code) ? 'warn' : 'debug']({ code }, message),
  });
  undo.add(() => api.close());

  const speed = new SpeedGauge(kernel, () => actors.load === 0, config.kernel.macsPerSecond);
  undo.add(() => speed.stop());
  const macsPerSecond = await speed.start((faster) => membership.setLocal({ macsPerSecond: faster }));
  membership.setLocal({ state: 'alive', macsPerSecond, apiAddress: api.url, models: library.held() });
  considerModels();
  const telling = setInterval(
    keepTelling({ actors, directory, library, membership, replicator, clock: SYSTEM_CLOCK }),
    TELL_INTERVAL_MS,
  );
  undo.add(() => clearInterval(telling));
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
  return {
    ...port,
    apiUrl: api.url,
    invitation,
    ...(api.grpcPort === undefined ? {} : { grpcPort: api.grpcPort }),
    stop: () => undo.run(),
  };
}
