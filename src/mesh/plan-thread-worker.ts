/** The thread behind `PlanThread`: graphs it has been given, and plans made from them. */
import { parentPort } from 'node:worker_threads';
import { toMeshError } from '../core/errors.ts';
import { bindGraph } from '../core/graph/bind.ts';
import type { Graph } from '../core/graph/graph.ts';
import type { ModelId } from '../core/ids.ts';
import { encodePlan } from '../core/plan/encode.ts';
import { planRequest } from '../core/plan/planner.ts';
import type { PlanCall, PlanReply } from './plan-thread.ts';

const graphs = new Map<ModelId, Graph>();

function answer({ call, graph, inputs, ...question }: PlanCall): PlanReply {
  try {
    if (graph !== undefined) graphs.set(question.modelId, graph);
    const bound = bindGraph(graphs.get(question.modelId)!, inputs);
    return { call, plan: encodePlan(planRequest({ ...question, bound })) };
  } catch (error) {
    const { code, message } = toMeshError(error);
    return { call, code, message };
  }
}

parentPort!.on('message', (call: PlanCall) => parentPort!.postMessage(answer(call)));
