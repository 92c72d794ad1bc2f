import assert from 'node:assert/strict';
import { fitTask } from '../../../../models/tasks/fit-task.ts';
import { presetTask } from '../../../../models/tasks/presets.ts';
import { parseTask, type TaskSpec } from '../../../../models/tasks/task.ts';
import { graphBuilder, type OpenShape } from '../../../../models/zoo/graph-builder.ts';
import type { Graph } from '../../../../src/core/graph/graph.ts';

function network(dims: OpenShape, isSoftmaxed: boolean): Graph {
  const net = graphBuilder('net', { name: 'data', dims });
  net.relu('relu');
  if (isSoftmaxed) net.softmax('scores');
  return net.build();
}

describe('the task imagenet', () => {
  let task: TaskSpec;
  before(async () => {
    task = await presetTask('imagenet');
  });

  it('takes its ports, the size of pictures and whether there is a softmax from the graph', () => {
    const fitted = fitTask(task, network([3, 299, 331], true));
    assert.ok(fitted.kind === 'image-classification');
    assert.deepEqual([fitted.input, fitted.output, fitted.isSoftmaxed], ['data', 'scores', true]);
    assert.deepEqual(fitted.image.size, { kind: 'fixed', height: 299, width: 331 });
    assert.deepEqual(parseTask(fitted), fitted);
  });

  it('has pictures of 224 by 224 where the graph leaves it open', () => {
    const fitted = fitTask(task, network([3, 'height', 'width'], false));
    assert.ok(fitted.kind === 'image-classification');
    assert.deepEqual([fitted.output, fitted.isSoftmaxed], ['relu', false]);
    assert.deepEqual(fitted.image.size, { kind: 'fixed', height: 224, width: 224 });
  });

  it('is for networks of coloured pictures with one input and one output', () => {
    const graph = network([3, 8, 8], false);
    const refused = [
      network([1, 28, 28], false),
      network([3, 'length'], false),
      { ...graph, inputs: [...graph.inputs, { ...graph.inputs[0]!, name: 'mask' }] },
      { ...graph, outputs: [...graph.outputs, { ...graph.outputs[0]!, name: 'other' }] },
    ];
    for (const other of refused) assert.throws(() => fitTask(task, other), { code: 'INVALID_MODEL' });
  });

  it('leaves tasks with names of their own as they are', async () => {
    const detection = await presetTask('ppocr-detection');
    assert.equal(fitTask(detection, network([3, 8, 8], false)), detection);
  });
});
