/**
 * Tells systemd, where it started this process, that the peer is ready, and then again and again that its event loop turns
 * (sd_notify(3)). Its socket is a Unix datagram socket, which Node cannot speak; `systemd-notify` can, for a few milliseconds
 * of CPU each time.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

const NOTIFY_DEADLINE_MS = 10_000;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Pause between two signs of life, in milliseconds: half of what systemd waits for; null: it waits for none. */
export function watchdogPauseMs({ WATCHDOG_USEC: text }: Environment): number | null {
  const microseconds = Number(text ?? 0);
  return Number.isSafeInteger(microseconds) && microseconds > 0 ? Math.max(1, Math.floor(microseconds / 2000)) : null;
}

/**
 * Says once that this process is ready, and keeps saying that it lives; the timer for that does not keep the process. Does
 * nothing where NOTIFY_SOCKET is not set.
 * @param warn told once when systemd cannot be told.
 */
export async function tellSupervisor(env: Environment, warn: (message: string) => void): Promise<void> {
  if (env.NOTIFY_SOCKET === undefined || env.NOTIFY_SOCKET === '') return;
  let isWarned = false;
  const tell = async (word: string): Promise<void> => {
    try {
      await run('systemd-notify', [word], { env: { ...env }, timeout: NOTIFY_DEADLINE_MS });
    } catch (cause) {
      if (isWarned) return;
      isWarned = true;
      const reason = cause instanceof Error ? cause.message.trim() : String(cause);
      warn(`systemd may stop this peer, as it cannot be told ${word} (${reason}): install the package systemd`);
    }
  };
  await tell('--ready');
  const pauseMs = watchdogPauseMs(env);
  if (pauseMs !== null) setInterval(() => void tell('WATCHDOG=1'), pauseMs).unref();
}
