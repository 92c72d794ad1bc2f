import assert from 'node:assert/strict';
import { assessHealth, type MemberCondition } from '../../../src/core/health.ts';

const member = (state: string, isSelf = false): MemberCondition => ({ name: state, state, isSelf, lastSeenMs: 12_400 });
const of = (...states: readonly string[]) =>
  assessHealth([member('alive', true), ...states.map((s) => member(s))], true);

describe('core/health', () => {
  it('is fine while nobody is missing, whoever left on purpose or drains', () => {
    assert.deepEqual(of('alive', 'left', 'draining', 'joining'), { level: 'fine', alive: 2, members: 4, problems: [] });
  });

  it('is degraded while some are missing, and critical when half of them are', () => {
    assert.deepEqual(
      [of('alive', 'failed').level, of('alive', 'suspect').level, of('failed').level, of('failed', 'failed').level],
      ['degraded', 'degraded', 'critical', 'critical'],
    );
    assert.deepEqual(of('alive', 'failed', 'banned').problems, [
      'failed is failed (not heard for 12 s)',
      'banned is banned',
    ]);
  });

  it('is critical when the peer takes no requests', () => {
    const { level, problems } = assessHealth([member('draining', true), member('alive')], false);
    assert.deepEqual([level, problems], ['critical', ['draining takes no requests: it is draining']]);
  });
});
