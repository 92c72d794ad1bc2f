import assert from 'node:assert/strict';
import { createLogger, formatLine } from '../../../src/observability/logger.ts';

/** What a logger wrote, one record a line. */
function recorder() {
  const lines: string[] = [];
  return { lines, write: (line: string) => void lines.push(line) };
}

describe('observability/logger', () => {
  it('writes one line of JSON per record and names the actor', () => {
    const destination = recorder();
    createLogger('info', destination).child({ actor: 'discovery' }).warn({ peers: 3 }, 'looking');
    const { time, ...record } = JSON.parse(destination.lines[0]!) as Record<string, unknown>;
    assert.equal(typeof time, 'number');
    assert.deepEqual(record, { level: 40, actor: 'discovery', peers: 3, msg: 'looking' });
  });

  it('leaves out what is below its level', () => {
    const destination = recorder();
    createLogger('warn', destination).info('not this');
    assert.deepEqual(destination.lines, []);
  });

  it('makes a readable line of a record, with its error', () => {
    const destination = recorder();
    createLogger('info', destination)
      .child({ actor: 'worker' })
      .error({ err: new Error('no space'), block: 2 }, 'failed');
    assert.match(
      formatLine(destination.lines[0]!),
      /^\d\d:\d\d:\d\d\.\d{3} ERROR worker {7}failed {2}no space {2}block=2\n$/,
    );
  });

  it('keeps control characters away from the terminal, and every record on its line', () => {
    const destination = recorder();
    createLogger('info', destination).info({ name: 'evil\u001b[2J\nINFO fake' }, 'hello\u009b31m');
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(formatLine(destination.lines[0]!).slice(0, -1), /[\u0000-\u001f\u007f-\u009f]/);
  });
});
