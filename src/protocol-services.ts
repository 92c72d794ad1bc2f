/** The protocols that a peer speaks, as services of libp2p. */
import type { ServiceFactoryMap } from 'libp2p';
import { answers, type AnswersService } from '../protocols/answers/service.ts';
import { blobs, type BlobsService } from '../protocols/blobs/service.ts';
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

/** Heartbeats and models keep to streams: the ones must not depend on a lane, the others are too big for one. */
export function protocolServices(
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
    inspect: inspect(versions.inspect),
    charters: charters(versions.charters),
  };
}
