import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  abandoned,
  bridgeName,
  isRunning,
  linkName,
  namespaceName,
  ownerOf,
  runName,
} from '../../../bench/emulation/ownership.ts';

const MAX_INTERFACE_NAME = 15;

describe('names of what a benchmark makes', () => {
  it('tell whose they are', () => {
    for (const pid of [1, 4194304]) {
      const names = [runName(pid), `${runName(pid)}-Ab12Cd`, namespaceName(pid, 7), bridgeName(pid), linkName(pid, 24)];
      for (const name of names) assert.equal(ownerOf(name), pid, name);
      for (const name of [bridgeName(pid), linkName(pid, 250)]) assert.ok(name.length <= MAX_INTERFACE_NAME, name);
    }
  });

  it('are told from those of others', () => {
    for (const name of [
      '',
      'lo',
      'eth0',
      'tmb',
      'tmbx',
      'tmb12x3',
      'xtmb12',
      'tilemesh-bench-',
      'tilemesh-demo-12',
      '12',
    ]) {
      assert.equal(ownerOf(name), undefined, name);
    }
  });

  it('are abandoned only when their process is gone', async () => {
    const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    await once(child, 'exit');
    const gone = child.pid!;
    assert.equal(await isRunning(gone), false);
    const names = [runName(gone), bridgeName(gone), runName(process.pid), bridgeName(1), 'eth0'];
    assert.deepEqual(await abandoned(names), [runName(gone), bridgeName(gone)]);
  });
});
