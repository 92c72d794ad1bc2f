/** Judges the readings of one machine. */
import type { DescriptorUse, MachineReadings } from '../../core/card.ts';
import { formatBytes } from '../text.ts';
import { ok, type Finding } from './finding.ts';

/** RK3399 and BCM2711 slow down at 80 to 85 degrees (their device trees' passive trip points). */
const HOT_C = 80;
/** Governors that leave clock rates down when work comes in short bursts. */
const SLOW_GOVERNORS: ReadonlySet<string> = new Set(['powersave', 'ondemand', 'conservative']);
const LEAST_DISK_BYTES = 1e9;
const LEAST_DISK_SHARE = 0.05;
const LEAST_MEMORY_SHARE = 0.1;
const MUCH_SWAP_BYTES = 64e6;
const MANY_DESCRIPTORS = 0.75;
const NEARLY_ALL_DESCRIPTORS = 0.9;

type Judge = (subject: string, readings: MachineReadings) => Finding | undefined;

const heat: Judge = (subject, { temperatureC, isThrottled }) => {
  const degrees = temperatureC === null ? '' : `${temperatureC.toFixed(0)} °C`;
  if (isThrottled === true) {
    return {
      check: 'heat',
      level: 'problem',
      subject,
      text: `runs slower than it could${degrees === '' ? '' : ` at ${degrees}`}`,
      cause: 'it is too hot, or its power supply is too weak',
      remedy: 'give it a heat sink with moving air and the supply its maker asks for; watch with: tilemesh peers -w',
    };
  }
  if (temperatureC === null) return isThrottled === null ? undefined : ok('heat', subject, 'not throttled');
  if (temperatureC < HOT_C) return ok('heat', subject, degrees);
  return {
    check: 'heat',
    level: 'warning',
    subject,
    text: `is at ${degrees}, where boards begin to slow down`,
    cause: 'it gets rid of less heat than it makes',
    remedy: 'give it a heat sink with moving air',
  };
};

const governor: Judge = (subject, { governors }) => {
  if (governors.length === 0) return undefined;
  const slow = governors.filter((name) => SLOW_GOVERNORS.has(name));
  if (slow.length === 0) return ok('governor', subject, governors.join(', '));
  return {
    check: 'governor',
    level: 'warning',
    subject,
    text: `chooses its clock rate by "${slow.join('", "')}"`,
    cause: 'tiles come in short bursts, before which the clock rate has been lowered',
    remedy: 'echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor',
  };
};

const disk: Judge = (subject, { diskBytes, diskFreeBytes }) => {
  if (diskBytes === null || diskFreeBytes === null) return undefined;
  const text = `${formatBytes(diskFreeBytes)} of ${formatBytes(diskBytes)} are free`;
  if (diskFreeBytes >= LEAST_DISK_BYTES && diskFreeBytes >= LEAST_DISK_SHARE * diskBytes)
    return ok('disk', subject, text);
  return {
    check: 'disk',
    level: diskFreeBytes < LEAST_DISK_BYTES / 10 ? 'problem' : 'warning',
    subject,
    text,
    cause: 'models are kept on this disk, and weights that do not fit are not taken in',
    remedy: 'tilemesh rm MODEL, or a lower models.diskBudgetBytes in mesh.config.ts',
  };
};

const memory: Judge = (subject, { memoryBytes, availableBytes, swapUsedBytes }) => {
  if (memoryBytes === null || availableBytes === null) return undefined;
  const text = `${formatBytes(availableBytes)} of ${formatBytes(memoryBytes)} are available`;
  if (availableBytes < LEAST_MEMORY_SHARE * memoryBytes) {
    return {
      check: 'memory',
      level: 'problem',
      subject,
      text,
      cause: 'the system may end the peer to get memory back',
      remedy: 'a lower memory.budgetBytes in mesh.config.ts, or stop what else runs there',
    };
  }
  if (swapUsedBytes === null || swapUsedBytes < MUCH_SWAP_BYTES) return ok('memory', subject, text);
  return {
    check: 'memory',
    level: 'warning',
    subject,
    text: `${formatBytes(swapUsedBytes)} are swapped out`,
    cause: 'weights that were swapped out are read back from a card or disk in the middle of a request',
    remedy: 'sudo swapoff -a, and a lower memory.budgetBytes in mesh.config.ts',
  };
};

const JUDGES: readonly Judge[] = [heat, governor, disk, memory];

/** @param subject a peer's name, or `this machine`. What the machine does not say is left out. */
export const judgeMachine = (subject: string, readings: MachineReadings): readonly Finding[] =>
  JUDGES.flatMap((judge) => judge(subject, readings) ?? []);

/** Open files and connections of a peer. */
export function judgeDescriptors(subject: string, { used, limit }: DescriptorUse): Finding {
  const text = `${used} of ${limit} file descriptors are in use`;
  if (used < MANY_DESCRIPTORS * limit) return ok('descriptors', subject, text);
  return {
    check: 'descriptors',
    level: used < NEARLY_ALL_DESCRIPTORS * limit ? 'warning' : 'problem',
    subject,
    text,
    cause:
      'each connection and each open file takes one; without any left, clients and members are turned away unheard',
    remedy:
      'a higher limit (ulimit -n, or LimitNOFILE of the systemd unit), or fewer connections: ss -tnp shows whose they are',
  };
}
