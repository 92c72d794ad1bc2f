/** The protocols that a peer speaks, as services of libp2p. */
import type { ServiceFactoryMap } from 'libp2p';
import { answers, type AnswersService } from '../protocols/answers/service.ts';
import { blobs, type BlobsService } from '../protocols/blobs/service.ts';
import { BytePool } from '../protocols/byte-pool.ts';
import { election, type ElectionService } from '../protocols/election/service.ts';
import { health, type HealthService } from '../protocols/health/service.ts';
import { inspect, type InspectService } from '../protocols/inspect/service.ts';
import { lanes, type LaneChoice, type LanesService } from '../protocols/lane/service.ts';
import { pieces, type PiecesService } from '../protocols/pieces/service.ts';
import { plan, type PlanService } from '../protocols/plan/service.ts';
import { trust as charters, type TrustService } from '../protocols/trust/service.ts';
import type { ResolvedConfig } from './config/load.ts';
import type { Logger } from './observability/logger.ts';

export interface Services extends Record<string, unknown> {
  /** Absent when configuration asks for streams only. */
  readonly lanes?: LanesService;
  readonly election: ElectionService;
  readonly plan: PlanService;
  readonly pieces: PiecesService;
  readonly blobs: BlobsService;
  readonly answers: AnswersService;
  readonly health: HealthService;
  readonly inspect: InspectService;
  readonly charters: TrustService;
}

/** Ids under which protocols are spoken where they are not those of this build: how a build with newer ones is tested. */
export type ProtocolVersions = Readonly<
  Partial<Record<keyof Services & string, { readonly protocol: string; readonly olderProtocols: readonly string[] }>>
>;

const MIB = 2 ** 20;
/** Tensors and models that wait for all peers together, bytes: half of the memory, within these. */
const [LEAST_QUEUED_BYTES, MOST_QUEUED_BYTES] = [128 * MIB, 512 * MIB];
/** Messages that wait for all peers together, bytes. Apart from tensors, which they must not wait behind. */
const QUEUED_MESSAGE_BYTES = 64 * MIB;
/** Unfinished frames of all peers together, bytes. */
const ARRIVING_BYTES = 64 * MIB;

/** Heartbeats and models keep to streams: the ones must not depend on a lane, the others are too big for one. */
export function protocolServices(
  { dataPlane, memory }: ResolvedConfig,
  versions: ProtocolVersions,
  logger: Logger,
): ServiceFactoryMap<Services> {
  const usesLanes = dataPlane.carrier === 'auto';
  const onChoice = ({ peer, ...choice }: LaneChoice): void =>
    logger.debug({ actor: 'lanes', peer, ...choice }, `pieces to a peer go by ${choice.carrier}`);
  const arrivalPool = new BytePool(ARRIVING_BYTES);
  const tensorBytes = Math.max(LEAST_QUEUED_BYTES, Math.min(MOST_QUEUED_BYTES, memory.budgetBytes / 2));
  const large = { arrivalPool, queuePool: new BytePool(tensorBytes) };
  const small = { arrivalPool, queuePool: new BytePool(QUEUED_MESSAGE_BYTES) };
  return {
    ...(usesLanes ? { lanes: lanes({ arrivalPool, port: dataPlane.port, onChoice, ...versions.lanes }) } : {}),
    election: election({ ...small, usesLanes, ...versions.election }),
    plan: plan({ ...small, usesLanes, ...versions.plan }),
    pieces: pieces({ ...large, usesLanes, ...versions.pieces }),
    blobs: blobs({ ...large, ...versions.blobs }),
    answers: answers({ ...small, usesLanes, ...versions.answers }),
    health: health({ ...small, ...versions.health }),
    inspect: inspect({ ...large, ...versions.inspect }),
    charters: charters({ ...small, ...versions.charters }),
  };
}
