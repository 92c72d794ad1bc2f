/** The thread behind `PlanThread`: graphs it has been given, and plans made from them. */
import { parentPort } from 'node:worker_threads';
import { MeshError, toMeshError } from '../core/errors.ts';
import { bindGraph } from '../core/graph/bind.ts';
import { byVerdicts } from '../core/graph/minimal-filtering.ts';
import type { Graph } from '../core/graph/graph.ts';
import type { ModelId } from '../core/ids.ts';
import { encodePlan } from '../core/plan/encode.ts';
import type { Plan } from '../core/plan/plan.ts';
import { planRequest } from '../core/plan/planner.ts';
import type { PlanCall, PlanQuestion, PlanReply } from './plan-thread.ts';

const graphs = new Map<ModelId, Graph>();

/** @throws MeshError as `planRequest`. */
function planOf({ arithmetic, verdicts, inputs, ...question }: PlanQuestion): Plan {
  try {
    const bound = bindGraph(graphs.get(question.modelId)!, inputs, arithmetic, byVerdicts(verdicts));
    return planRequest({ ...question, bound });
  } catch (error) {
    if (arithmetic === 'exact' || !(error instanceof MeshError) || error.code !== 'UNAVAILABLE') throw error;
    return planOf({ ...question, inputs, verdicts, arithmetic: 'exact' });
  }
}

function answer({ call, graph, inputs, ...question }: PlanCall): PlanReply {
  try {
    if (graph !== undefined) graphs.set(question.modelId, graph);
    return { call, plan: encodePlan(planOf({ ...question, inputs })) };
  } catch (error) {
    const { code, message } = toMeshError(error);
    return { call, code, message };
  }
}

parentPort!.on('message', (call: PlanCall) => parentPort!.postMessage(answer(call)));
