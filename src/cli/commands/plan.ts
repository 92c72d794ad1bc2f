/** `tilemesh plan`: how a model would be cut over given boards, and why so. */
import { writeFile } from 'node:fs/promises';
import { asPeerId } from '../../core/ids.ts';
import { explainPlan } from '../../core/plan/explain.ts';
import { choosePlan } from '../../core/plan/planner.ts';
import { parseLink } from '../../sim/links.ts';
import { boardName, simulate } from '../../sim/simulate.ts';
import { describeBoards, openPaperModel, paperBoards, parallelismOf, type PaperOptions } from '../model-on-paper.ts';
import { drawSimulation } from '../draw-simulation.ts';
import { describePrediction, renderPlan } from '../render-plan.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean } from '../text.ts';

export async function planCommand(terminal: Terminal, model: string, options: PaperOptions): Promise<void> {
  const link = parseLink(options.link);
  const { name, bound, modelId, note } = await openPaperModel(model, options.shape);
  const { boards } = await paperBoards(options, terminal.interrupted);
  if (note !== undefined) terminal.err(`${clean(note)}\n`);
  const peers = boards.map(({ profile }, index) => ({ peer: asPeerId(boardName(index)), ...profile }));
  const coordinator = peers[0]!.peer;
  const parallelism = parallelismOf(options.parallelism);
  const choice = choosePlan({ bound, modelId, peers, coordinator, link, parallelism });
  const explanation = explainPlan(bound, choice, peers, coordinator, link);
  if (options.svg !== undefined) {
    const scenario = {
      ...{ bound, modelId, link, parallelism, boards, cable: link, hasHeartbeats: false },
      workload: { kind: 'requests', count: 1 },
    } as const;
    const subtitle = describePrediction(explanation);
    await writeFile(options.svg, drawSimulation(name, subtitle, scenario, simulate(scenario)));
  }
  if (options.json) {
    writeJson(terminal, 'plan-report/1', {
      model: name,
      board: options.board,
      peers: boards.length,
      link,
      ...explanation,
    });
    return;
  }
  terminal.out(renderPlan(terminal, name, describeBoards(boards), explanation));
}
