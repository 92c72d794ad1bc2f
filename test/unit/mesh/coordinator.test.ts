import assert from 'node:assert/strict';
import type { ElectionMessage } from '../../../protocols/election/messages.ts';
import { createFence } from '../../../src/core/election/fence.ts';
import { asPeerId, type ModelId, type PeerId, type RequestId } from '../../../src/core/ids.ts';
import { Coordinator, type CoordinatorParts } from '../../../src/mesh/coordinator.ts';
import { Recorder } from '../../../src/mesh/recording.ts';
import { silentLogger } from '../../../src/observability/logger.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const SELF = asPeerId('self');
const MAX_REQUESTS = 8;
const MODEL = 'ab'.repeat(32) as ModelId;

/** A coordinator whose requests never come to a plan. */
function busyCoordinator() {
  const clock = new FakeClock();
  const answers: (readonly [to: PeerId, kind: ElectionMessage['kind']])[] = [];
  let receive = (_from: PeerId, _message: ElectionMessage): void => undefined;
  const never = (): Promise<never> => Promise.withResolvers<never>().promise;
  const parts = {
    members: { self: SELF, available: () => [{ peer: SELF }], nameOf: String, onLost: () => () => undefined },
    elections: {
      send: (to: PeerId, { kind }: ElectionMessage) => Promise.resolve(void answers.push([to, kind])),
      onMessage: (listener: typeof receive) => {
        receive = listener;
        return () => undefined;
      },
    },
    plans: { send: () => Promise.resolve(), onMessage: () => () => undefined },
    models: { noteHolder: () => undefined },
    preparation: { planFor: never, learn: never },
    maxRequests: MAX_REQUESTS,
    createFence,
    clock,
    records: new Recorder(clock),
    logger: silentLogger(),
  } as unknown as CoordinatorParts;
  new Coordinator(parts).start();
  let requests = 0;
  /** How many of so many proposals are taken. */
  const taken = async (from: PeerId, times: number): Promise<number> => {
    const before = answers.length;
    for (let count = 0; count < times; count++) {
      const requestId = (requests += 1).toString(16).padStart(32, '0') as RequestId;
      const proposal = {
        requestId,
        term: 1,
        modelId: MODEL,
        parallelism: 0,
        deadlineMs: 60_000,
        inputs: [],
        avoid: [],
      };
      receive(from, { kind: 'propose', ...proposal });
    }
    await new Promise(setImmediate);
    return answers.slice(before).filter(([to, kind]) => to === from && kind === 'accept').length;
  };
  return { taken };
}

describe('mesh/coordinator', () => {
  it('gives no entry more places than it leaves to the others', async () => {
    const { taken } = busyCoordinator();
    assert.equal(await taken(asPeerId('greedy'), 100), MAX_REQUESTS / 2);
    assert.equal(await taken(asPeerId('another'), 100), MAX_REQUESTS / 4);
    assert.equal(await taken(asPeerId('modest'), 1), 1);
  });

  it('coordinates requests of its own as long as there are places', async () => {
    const { taken } = busyCoordinator();
    assert.equal(await taken(SELF, 100), MAX_REQUESTS);
    assert.equal(await taken(asPeerId('other'), 1), 0);
  });
});
