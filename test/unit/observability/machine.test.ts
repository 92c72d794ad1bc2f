import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readMachine } from '../../../src/observability/machine.ts';

describe('observability/machine', () => {
  let root: string;
  beforeEach(async () => void (root = await mkdtemp(join(tmpdir(), 'tilemesh-machine-'))));
  afterEach(() => rm(root, { recursive: true }));

  async function put(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), `${text}\n`);
    }
  }

  it('reads a RockPro64 that is too hot', async () => {
    await put({
      'sys/class/thermal/thermal_zone0/temp': '86250',
      'sys/class/thermal/thermal_zone1/temp': '71000',
      'sys/class/thermal/cooling_device0/type': 'cpufreq-cpu0',
      'sys/class/thermal/cooling_device0/cur_state': '0',
      'sys/class/thermal/cooling_device1/type': 'cpufreq-cpu4',
      'sys/class/thermal/cooling_device1/cur_state': '2',
      'sys/devices/system/cpu/cpufreq/policy0/scaling_governor': 'schedutil',
      'sys/devices/system/cpu/cpufreq/policy4/scaling_governor': 'powersave',
      'proc/loadavg': '1.25 0.80 0.50 2/300 4711',
      'proc/meminfo': 'MemTotal:        3900000 kB\nMemAvailable:     390000 kB\nSwapTotal: 1000 kB\nSwapFree: 400 kB',
    });
    const { cores: _cores, diskBytes, diskFreeBytes, ...readings } = await readMachine(root, root);
    assert.deepEqual(readings, {
      temperatureC: 86.25,
      isThrottled: true,
      governors: ['schedutil', 'powersave'],
      load: 1.25,
      memoryBytes: 3_900_000 * 1024,
      availableBytes: 390_000 * 1024,
      swapUsedBytes: 600 * 1024,
    });
    assert.ok(diskBytes! > 0 && diskFreeBytes! <= diskBytes!);
  });

  it('takes the word of the firmware of a Raspberry Pi: what was once does not count', async () => {
    const path = 'sys/devices/platform/soc/soc:firmware/get_throttled';
    for (const [word, isThrottled] of [
      ['50005', true],
      ['50000', false],
      ['0', false],
    ] as const) {
      // prettier-ignore
      await put({ [path]: word });
      assert.equal((await readMachine(root, root)).isThrottled, isThrottled, word);
    }
  });

  it('says nothing where the machine says nothing, and ignores what makes no sense', async () => {
    await put({ 'sys/class/thermal/thermal_zone0/temp': '-274000', 'sys/class/thermal/cooling_device0/type': 'fan' });
    const readings = await readMachine(join(root, 'nowhere'), root);
    assert.deepEqual(
      [readings.temperatureC, readings.isThrottled, readings.governors, readings.load, readings.memoryBytes],
      [null, null, [], null, null],
    );
    assert.deepEqual([readings.swapUsedBytes, readings.diskBytes], [null, null]);
  });
});
