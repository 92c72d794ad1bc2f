import assert from 'node:assert/strict';
import { orAborted } from '../../../../src/mesh/model-store/cancellation.ts';

describe('mesh/model-store/cancellation', () => {
  it('leaves no failure unhandled, whether the signal was aborted before, meanwhile or never', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    // Mocha's own listeners would turn it into a failure of whatever test runs by then.
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', note);
    try {
      const late = (): Promise<never> =>
        new Promise((_, reject) => setImmediate(() => reject(new Error('the work failed'))));
      await assert.rejects(orAborted(late(), AbortSignal.abort()), { code: 'CANCELLED' });
      const controller = new AbortController();
      const meanwhile = assert.rejects(orAborted(late(), controller.signal), { code: 'CANCELLED' });
      controller.abort();
      await meanwhile;
      await assert.rejects(orAborted(late(), new AbortController().signal), /the work failed/);
      await new Promise((resolve) => setTimeout(resolve, 10));
      assert.deepEqual(unhandled, []);
    } finally {
      process.removeListener('unhandledRejection', note);
      for (const listener of others) process.on('unhandledRejection', listener);
    }
  });
});
