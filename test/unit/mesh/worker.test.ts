import assert from 'node:assert/strict';
import type { PlanMessage } from '../../../protocols/plan/messages.ts';
import { createFence } from '../../../src/core/election/fence.ts';
import { asPeerId, type PeerId, type PlanDigest, type RequestId } from '../../../src/core/ids.ts';
import { EARLY_DEFAULTS } from '../../../src/mesh/early-pieces.ts';
import { Recorder } from '../../../src/mesh/recording.ts';
import { Worker, type WorkerParts } from '../../../src/mesh/worker.ts';
import { silentLogger } from '../../../src/observability/logger.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const SELF = asPeerId('self');
const MAX_EXECUTIONS = 8;

describe('mesh/worker', () => {
  it('gives no coordinator more places than it leaves to the others', async () => {
    const clock = new FakeClock();
    const refused: PeerId[] = [];
    let receive = (_from: PeerId, _message: object): void => undefined;
    const parts = {
      members: { self: SELF, onLost: () => () => undefined },
      channel: {
        send: (to: PeerId, { kind }: PlanMessage) => {
          if (kind === 'refuse') refused.push(to);
          return Promise.resolve();
        },
        onMessage: (listener: typeof receive) => {
          receive = listener;
          return () => undefined;
        },
      },
      models: { noteHolder: () => undefined },
      // Plans that nobody ever finishes reading.
      preparation: { known: () => undefined, learn: () => Promise.withResolvers<never>().promise },
      maxExecutions: MAX_EXECUTIONS,
      earlyLimits: EARLY_DEFAULTS,
      createFence,
      clock,
      records: new Recorder(clock),
      logger: silentLogger(),
    } as unknown as WorkerParts;
    const worker = new Worker(parts);
    worker.start();
    const assign = async (from: PeerId, times: number): Promise<number> => {
      const before = worker.load;
      for (let count = 0; count < times; count++) {
        const requestId = (worker.load + refused.length + 1).toString(16).padStart(32, '0') as RequestId;
        const plan = { digest: 'ab'.repeat(32) as PlanDigest, plan: new Uint8Array(1), entry: from };
        receive(from, { kind: 'assign', requestId, term: 1, attempt: 1, deadlineMs: 0, ...plan });
        await new Promise(setImmediate);
      }
      return worker.load - before;
    };
    assert.equal(await assign(asPeerId('greedy'), 20), MAX_EXECUTIONS / 2);
    assert.equal(refused.length, 16);
    assert.equal(await assign(asPeerId('another'), 20), MAX_EXECUTIONS / 4);
    assert.equal(await assign(asPeerId('modest'), 1), 1);
    assert.equal(await assign(SELF, 20), 1);
    worker.stop();
  });
});
