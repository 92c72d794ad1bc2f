/** `tilemesh health`: one line and an exit code, for people and for monitoring. */
import type { Health } from '../../core/health.ts';
import { getJson, parseApiUrls } from '../client.ts';
import { ExitWith, LEVEL_EXIT } from '../exit.ts';
import { writeJson, type Style, type Terminal } from '../terminal.ts';
import { clean } from '../text.ts';

export interface HealthOptions {
  readonly api: string;
  readonly json?: true;
}

export const LEVEL_STYLES = { fine: 'green', degraded: 'yellow', critical: 'red' } as const satisfies Record<
  Health['level'],
  Style
>;

const MAX_NAMED = 4;

/** `degraded: 3 of 4 peers alive; shelf is failed (not heard for 12 s)`. */
export function renderHealth(terminal: Terminal, health: Health): string {
  const { level, alive, members, problems, warnings } = health;
  const named = problems.slice(0, MAX_NAMED).map((problem) => clean(problem));
  const rest = problems.length > MAX_NAMED ? [`and ${problems.length - MAX_NAMED} more`] : [];
  const head = `${terminal.style(LEVEL_STYLES[level], level)}: ${alive} of ${members} peer${members === 1 ? '' : 's'} alive`;
  return `${[head, ...named, ...rest, ...warnings.map((warning) => clean(warning))].join('; ')}\n`;
}

export async function healthCommand(terminal: Terminal, options: HealthOptions): Promise<void> {
  const urls = parseApiUrls(options.api);
  const health = (await getJson(urls, '/tilemesh/v1/health', terminal.interrupted)) as Health;
  const { level, alive, members, problems, warnings } = health;
  if (options.json) writeJson(terminal, 'health/1', { level, alive, members, problems, warnings });
  else terminal.out(renderHealth(terminal, health));
  const code = LEVEL_EXIT[level];
  if (code !== 0) throw new ExitWith(code);
}
