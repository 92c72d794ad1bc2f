/** The result of `planner` for people. */
import type { Terminal } from '../../src/cli/terminal.ts';
import { formatSpeed, table } from '../../src/cli/text.ts';
import { formatMs, formatTimes, renderLoad, renderRows } from '../report.ts';
import type { PlannerResult } from './measure.ts';

export function renderPlanner(terminal: Terminal, { setting, plans, left, load }: PlannerResult): string {
  const numbers = ['PEERS', 'STEPS', 'FIRST', 'MEDIAN', 'USED', 'BLOCKS', 'PREDICTED', 'ALONE', 'GAIN'];
  const lines = table(
    terminal,
    [{ title: 'MODEL' }, ...numbers.map((title) => ({ title, align: 'right' as const }))],
    plans.map((plan) => [
      plan.model,
      String(plan.peers),
      String(plan.steps),
      formatMs(plan.firstMs),
      formatMs(plan.medianMs),
      String(plan.participants),
      String(plan.blocks),
      formatMs(plan.predictedMs),
      formatMs(plan.singleMs),
      formatTimes(plan.singleMs / plan.predictedMs),
    ]),
  );
  const heading = `Planning for peers of ${formatSpeed(setting.macsPerSecond)} on Gigabit, ${setting.runs} times each`;
  const notes = left.map(({ model, reason }) => [model, reason] as const);
  return `${lines}\n${renderRows(terminal, heading, [...notes, renderLoad(load)])}`;
}
