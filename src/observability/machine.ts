/** Readings of this machine, from the files in which Linux gives them. */
import { readdir, readFile, statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { MachineReadings } from '../core/card.ts';

const readText = (path: string): Promise<string | null> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => null,
  );

const namesIn = (folder: string, pattern: RegExp): Promise<readonly string[]> =>
  readdir(folder).then(
    (names) => names.filter((name) => pattern.test(name)),
    () => [],
  );

/** The files called so in each folder of a kind. */
async function readEach(folder: string, pattern: RegExp, file: string): Promise<readonly string[]> {
  const names = await namesIn(folder, pattern);
  const texts = await Promise.all(names.map((name) => readText(join(folder, name, file))));
  return texts.flatMap((text) => (text === null || text === '' ? [] : [text]));
}

/** Thousandths of a degree (kernel documentation, thermal/sysfs-api); senseless ones are left out. */
async function hottest(root: string): Promise<number | null> {
  const texts = await readEach(join(root, 'sys/class/thermal'), /^thermal_zone\d+$/, 'temp');
  const degrees = texts.map((text) => Number(text) / 1000).filter((value) => value > 0 && value < 200);
  return degrees.length === 0 ? null : Math.max(...degrees);
}

/**
 * A cooling device that slows processors is at work, or the firmware of a Raspberry Pi says so: bits 0 to 3 of `get_throttled`
 * are under-voltage, capped, throttled, soft limit.
 */
async function isThrottled(root: string): Promise<boolean | null> {
  const firmware = await readText(join(root, 'sys/devices/platform/soc/soc:firmware/get_throttled'));
  if (firmware !== null) return (Number.parseInt(firmware, 16) & 0b1111) !== 0;
  const folder = join(root, 'sys/class/thermal');
  const devices = await namesIn(folder, /^cooling_device\d+$/);
  const states = await Promise.all(
    devices.map(async (name) => {
      const type = await readText(join(folder, name, 'type'));
      return type !== null && /cpu|processor/i.test(type) ? readText(join(folder, name, 'cur_state')) : null;
    }),
  );
  const known = states.filter((state) => state !== null);
  return known.length === 0 ? null : known.some((state) => Number(state) > 0);
}

async function memoryOf(
  root: string,
): Promise<Pick<MachineReadings, 'memoryBytes' | 'availableBytes' | 'swapUsedBytes'>> {
  const text = await readText(join(root, 'proc/meminfo'));
  const kilobytes = new Map(
    [...(text ?? '').matchAll(/^(\w+): +(\d+) kB$/gm)].map(([, name, amount]) => [name!, Number(amount)]),
  );
  const bytes = (name: string): number | null => (kilobytes.has(name) ? kilobytes.get(name)! * 1024 : null);
  const [swap, free] = [bytes('SwapTotal'), bytes('SwapFree')];
  return {
    memoryBytes: bytes('MemTotal'),
    availableBytes: bytes('MemAvailable'),
    swapUsedBytes: swap === null || free === null ? null : swap - free,
  };
}

async function diskOf(folder: string): Promise<Pick<MachineReadings, 'diskBytes' | 'diskFreeBytes'>> {
  try {
    const { bsize, blocks, bavail } = await statfs(folder);
    return { diskBytes: bsize * blocks, diskFreeBytes: bsize * bavail };
  } catch {
    return { diskBytes: null, diskFreeBytes: null };
  }
}

/** @param folder whose disk counts. @param root where `proc` and `sys` are looked for. */
export async function readMachine(folder: string, root = '/'): Promise<MachineReadings> {
  const [temperatureC, throttled, governors, load, memory, disk] = await Promise.all([
    hottest(root),
    isThrottled(root),
    readEach(join(root, 'sys/devices/system/cpu/cpufreq'), /^policy\d+$/, 'scaling_governor'),
    readText(join(root, 'proc/loadavg')),
    memoryOf(root),
    diskOf(folder),
  ]);
  return {
    temperatureC,
    isThrottled: throttled,
    governors: [...new Set(governors)],
    cores: availableParallelism(),
    load: load === null ? null : Number(load.split(' ')[0]),
    ...memory,
    ...disk,
  };
}
