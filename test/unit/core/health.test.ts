import assert from 'node:assert/strict';
import { assessHealth, type MemberCondition } from '../../../src/core/health.ts';

const member = (state: string, isSelf = false): MemberCondition => ({
  name: state,
  state,
  isSelf,
  lastSeenMs: 12_400,
  version: '0.1.0',
});
const of = (...states: readonly string[]) =>
  assessHealth([member('alive', true), ...states.map((s) => member(s))], true);

describe('core/health', () => {
  it('is fine while nobody is missing, whoever left on purpose or drains', () => {
    assert.deepEqual(of('alive', 'left', 'draining', 'joining'), {
      level: 'fine',
      alive: 2,
      members: 4,
      problems: [],
      warnings: [],
    });
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

  it('tells of versions that differ, and is fine all the same: so are meshes upgraded', () => {
    const upgraded = { ...member('alive'), name: 'shelf', version: '0.2.0' };
    const silent = { ...member('joining'), version: '' };
    const { level, problems, warnings } = assessHealth([member('alive', true), upgraded, silent], true);
    assert.deepEqual([level, problems, warnings], ['fine', [], ['versions differ: 0.1.0 on alive; 0.2.0 on shelf']]);
  });

  it('is critical when the peer takes no requests', () => {
    const { level, problems } = assessHealth([member('draining', true), member('alive')], false);
    assert.deepEqual([level, problems], ['critical', ['draining takes no requests: it is draining']]);
  });
});
