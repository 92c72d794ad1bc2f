/** A mesh that lets in whoever names it: for tests and measurements in which membership is not the question. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asPeerId } from '../../src/core/ids.ts';
import { Trust } from '../../src/mesh/trust/trust.ts';
import { silentLogger } from '../../src/observability/logger.ts';

/** Nothing is written for it. */
export const openMesh = (mesh: string): Promise<Trust> =>
  Trust.open(asPeerId('nobody'), {
    folder: join(tmpdir(), `tilemesh-open-${process.pid}`),
    level: 'open',
    mesh,
    secret: '',
    logger: silentLogger(),
  });
