import assert from 'node:assert/strict';
import { parseTicks } from '../../../bench/measure/machine.ts';

describe('the load of the machine', () => {
  it('is read from the line of all cores', () => {
    const stat = 'cpu  100 10 20 300 40 5 6 7 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\nintr 12\n';
    assert.deepEqual(parseTicks(stat), { idle: 340, steal: 7, total: 488 });
  });
});
