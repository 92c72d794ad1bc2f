/** The picture of a simulation: the plan of the first request that was answered, and how it was carried out. */
import { MeshError } from '../core/errors.ts';
import { asPeerId } from '../core/ids.ts';
import { explainPlan } from '../core/plan/explain.ts';
import { boardName, type Scenario, type SimulationResult } from '../sim/simulate.ts';
import { drawPicture } from '../sim/svg/picture.ts';
import { describeBoards } from './model-on-paper.ts';

/** @returns an SVG document. @throws MeshError UNAVAILABLE when nothing was answered. */
export function drawSimulation(model: string, subtitle: string, scenario: Scenario, result: SimulationResult): string {
  const { prepared, requests, timeline } = result;
  const first = requests.find(({ outcome }) => outcome === 'answered');
  if (prepared === undefined || first === undefined) {
    throw new MeshError('UNAVAILABLE', 'no request was answered: there is nothing to draw');
  }
  const { bound, boards, link } = scenario;
  const { plan } = prepared;
  const names = boards.map((_, index) => boardName(index));
  const peers = boards.map(({ profile }, index) => ({ peer: asPeerId(names[index]!), ...profile }));
  return drawPicture({
    title: `${model} on ${describeBoards(boards)}`,
    subtitle,
    bound,
    plan,
    explanation: explainPlan(bound, { plan, runnersUp: [], considered: [] }, peers, first.entry, link),
    timeline,
    names,
    fromMs: first.arrivedMs,
    toMs: first.endedMs,
  });
}
