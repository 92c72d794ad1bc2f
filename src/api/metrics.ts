/**
 * `GET /metrics`, for Prometheus: what became of requests, by model, with the meaning of Triton's metrics of the same suffix
 * and in base units; and the state of this peer. Nothing is counted for it beside the work: a scrape reads what is there.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { MemberState, PeerPort } from './port.ts';
import type { ModelStatistics, Statistics } from './statistics.ts';

const NS_PER_SECOND = 1e9;
const US_PER_SECOND = 1e6;

type Labels = Readonly<Record<string, string>>;
interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** By model: name, help, and where the number is. */
const OF_MODELS: readonly (readonly [string, string, (model: ModelStatistics) => number])[] = [
  ['request_success_total', 'Inference requests that succeeded', ({ stages }) => stages.success.count],
  ['request_failure_total', 'Inference requests that failed in the mesh', ({ stages }) => stages.fail.count],
  ['count_total', 'Samples answered: a batch counts each of its samples', ({ inferences }) => inferences],
  ['exec_count_total', 'Executions of the model: a batch counts once', ({ stages }) => stages.compute_infer.count],
  [
    'request_duration_seconds_total',
    'Time of requests that succeeded, from arrival to answer',
    ({ stages }) => stages.success.ns / NS_PER_SECOND,
  ],
  [
    'queue_duration_seconds_total',
    'Time requests waited for their turn',
    ({ stages }) => stages.queue.ns / NS_PER_SECOND,
  ],
  [
    'compute_input_duration_seconds_total',
    'Time spent on making inputs of what came in',
    ({ stages }) => stages.compute_input.ns / NS_PER_SECOND,
  ],
  [
    'compute_infer_duration_seconds_total',
    'Time the mesh computed',
    ({ stages }) => stages.compute_infer.ns / NS_PER_SECOND,
  ],
  [
    'compute_output_duration_seconds_total',
    'Time spent on making answers of outputs',
    ({ stages }) => stages.compute_output.ns / NS_PER_SECOND,
  ],
];

const MEMBER_STATES = {
  joining: true,
  alive: true,
  suspect: true,
  draining: true,
  left: true,
  failed: true,
  incompatible: true,
  banned: true,
} as const satisfies Record<MemberState, true>;

function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  read: () => readonly Sample[],
): void {
  new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of read()) this.inc(labels, value);
    },
  });
}

function gauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  read: () => readonly Sample[],
): void {
  new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of read()) this.set(labels, value);
    },
  });
}

const only = (value: number): readonly Sample[] => [{ labels: {}, value }];

/** Registers everything once; each scrape reads it. */
export function registerMetrics(registry: Registry, peer: PeerPort, statistics: Statistics): void {
  for (const [suffix, help, read] of OF_MODELS) {
    counter(registry, `tilemesh_inference_${suffix}`, help, ['model', 'version'], () =>
      statistics.all().map((model) => ({ labels: { model: model.name, version: model.id }, value: read(model) })),
    );
  }
  const { totals } = statistics;
  counter(registry, 'tilemesh_entry_tiles_total', 'Tiles computed for requests of this peer, anywhere', [], () =>
    only(totals.tiles),
  );
  counter(registry, 'tilemesh_entry_attempts_total', 'Plans made for requests of this peer', [], () =>
    only(totals.attempts),
  );
  counter(registry, 'tilemesh_entry_lost_peers_total', 'Peers lost while requests of this peer ran', [], () =>
    only(totals.lostPeers),
  );
  counter(
    registry,
    'tilemesh_entry_moved_bytes_total',
    'Bytes of tensors moved for requests of this peer',
    ['way'],
    () => [
      { labels: { way: 'peer-to-peer' }, value: totals.bytesPeerToPeer },
      { labels: { way: 'through-entry' }, value: totals.bytesThroughEntry },
    ],
  );
  registerPeerState(registry, peer);
}

function registerPeerState(registry: Registry, peer: PeerPort): void {
  const self = () => peer.members().find(({ isSelf }) => isSelf);
  const { version, kernel, mesh } = peer.self;
  gauge(registry, 'tilemesh_peer_info', 'What this peer is; always 1', ['version', 'kernel', 'mesh'], () => [
    { labels: { version, kernel, mesh }, value: 1 },
  ]);
  gauge(registry, 'tilemesh_peer_ready', 'Whether this peer takes requests', [], () => only(Number(peer.ready())));
  gauge(registry, 'tilemesh_peer_active_requests', 'Requests in hand at this peer', [], () =>
    only(self()?.activeRequests ?? 0),
  );
  gauge(registry, 'tilemesh_peer_queue_depth', 'Requests this peer takes part in', [], () =>
    only(self()?.queueDepth ?? 0),
  );
  gauge(registry, 'tilemesh_members', 'Members of the mesh as this peer sees them', ['state'], () => {
    const members = peer.members();
    return Object.keys(MEMBER_STATES).map((state) => ({
      labels: { state },
      value: members.filter((member) => member.state === state).length,
    }));
  });
  counter(registry, 'process_cpu_seconds_total', 'Time the process ran on any core', [], () => {
    const { user, system } = process.cpuUsage();
    return only((user + system) / US_PER_SECOND);
  });
  gauge(registry, 'process_resident_memory_bytes', 'Memory the process holds', [], () =>
    only(process.memoryUsage.rss()),
  );
}
