import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { isExhaustion, outliveExhaustion } from '../../../src/observability/exhaustion.ts';

const withCode = (code: string): Error => Object.assign(new Error(code), { code });
/** As `os.networkInterfaces` throws it. */
const systemError = Object.assign(new Error('Unknown system error 24'), {
  code: 'ERR_SYSTEM_ERROR',
  info: { errno: constants.errno.EMFILE, syscall: 'uv_interface_addresses' },
});

describe('observability/exhaustion', () => {
  it('knows what failed for want of a file descriptor, also within other errors', () => {
    for (const error of [withCode('EMFILE'), withCode('ENFILE'), systemError, new Error('x', { cause: systemError })]) {
      assert.equal(isExhaustion(error), true, error.message);
    }
    for (const error of [withCode('ENOENT'), new Error('EMFILE'), 'EMFILE', undefined, new TypeError('x')]) {
      assert.equal(isExhaustion(error), false);
    }
  });

  it('lets a peer live, says so once a minute, and lets all else end it', () => {
    const said: string[] = [];
    let nowMs = 0;
    const outlive = outliveExhaustion(
      (message) => void said.push(message),
      () => nowMs,
    );
    outlive(systemError);
    outlive(systemError);
    nowMs = 60_001;
    outlive(withCode('EMFILE'));
    assert.equal(said.length, 2);
    assert.match(said[0]!, /ulimit -n/);
    const bug = new TypeError('a mistake');
    assert.throws(() => outlive(bug), bug);
  });
});
