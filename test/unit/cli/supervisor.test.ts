import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { tellSupervisor, watchdogPauseMs } from '../../../src/cli/supervisor.ts';

const SUPERVISOR = new URL('../../../src/cli/supervisor.ts', import.meta.url).href;
const DEADLINE_MS = 20_000;

describe('what systemd is told', () => {
  let folder: string;
  let words: string;
  let env: Record<string, string>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-supervisor-'));
    words = join(folder, 'words');
    const command = join(folder, 'systemd-notify');
    await writeFile(command, `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> '${words}'\n`);
    await chmod(command, 0o755);
    env = { PATH: `${folder}:/usr/bin:/bin`, NOTIFY_SOCKET: '/run/systemd/notify' };
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);

  it('is readiness, once, where systemd waits for no watchdog', async () => {
    await tellSupervisor(env, warn);
    assert.equal(await readFile(words, 'utf8'), '/run/systemd/notify --ready\n');
    assert.deepEqual(warnings, []);
  });

  it('is a sign of life again and again, by a timer that keeps no process', async () => {
    const script = `import { tellSupervisor } from '${SUPERVISOR}';
      await tellSupervisor({ ...process.env, WATCHDOG_USEC: '100000' }, (message) => { throw new Error(message); });
      process.stdin.on('data', () => {}).on('end', () => console.log('leaving'));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const giveUp = AbortSignal.timeout(DEADLINE_MS);
    const exit = once(child, 'close', { signal: giveUp });
    const told = async (): Promise<readonly string[]> => (await readFile(words, 'utf8').catch(() => '')).split('\n');
    const signs = async (): Promise<number> => (await told()).filter((line) => line.endsWith(' WATCHDOG=1')).length;
    while ((await signs()) < 3) await setTimeout(20, undefined, { signal: giveUp });
    child.stdin.end();
    assert.deepEqual((await exit)[0], 0);
    assert.equal((await told())[0], '/run/systemd/notify --ready');
  });

  it('is nothing where systemd did not start the peer', async () => {
    await tellSupervisor({ PATH: env.PATH }, warn);
    await assert.rejects(readFile(words), { code: 'ENOENT' });
  });

  it('is warned about in one line where there is no systemd-notify', async () => {
    const heard: string[] = [];
    await tellSupervisor({ ...env, PATH: join(folder, 'empty') }, (message) => void heard.push(message));
    assert.equal(heard.length, 1);
    assert.match(heard[0]!, /^systemd may stop this peer, .*--ready .*ENOENT.*: install the package systemd$/);
  });

  const PAUSES: readonly (readonly [string | undefined, number | null])[] = [
    [undefined, null],
    ['', null],
    ['0', null],
    ['soon', null],
    ['60000000', 30_000],
    ['1', 1],
  ];
  for (const [text, pause] of PAUSES) {
    it(`comes every ${pause} ms where WATCHDOG_USEC is ${text}`, () => {
      assert.equal(watchdogPauseMs(text === undefined ? {} : { WATCHDOG_USEC: text }), pause);
    });
  }
});
