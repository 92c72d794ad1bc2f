/** A peer in fast arithmetic measures the layers of a model that comes to it, and has the times when it starts again. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ZOO } from '../../models/zoo/index.ts';
import { bindGraph } from '../../src/core/graph/bind.ts';
import { candidatesOf, layerName } from '../../src/core/graph/minimal-filtering.ts';
import { elementCount, fromFloat32 } from '../../src/core/tensor/tensor.ts';
import type { Peer } from '../../src/node.ts';
import { startLonePeer } from '../support/lone-peer.ts';

const MODEL = 'resnet18';
const SHAPE = [1, 3, 224, 224];
const DEADLINE_MS = 120_000;

describe('a peer in fast arithmetic', function () {
  this.timeout(2 * DEADLINE_MS);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-times-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const ask = async (peer: Peer): Promise<void> => {
    const { graph } = await ZOO[MODEL].open();
    const inputs = new Map([
      [graph.inputs[0]!.name, fromFloat32(SHAPE, new Float32Array(elementCount(SHAPE)).fill(0.5))],
    ]);
    await peer.infer({
      model: MODEL,
      inputs,
      parallelism: 0,
      deadlineMs: DEADLINE_MS,
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
  };

  it('measures each kind of layer of its model once, and keeps the times', async () => {
    const path = join(folder, 'data', 'layer-times.json');
    const first = await startLonePeer(folder, { arithmetic: 'fast' });
    try {
      await ask(first);
      const deadlineMs = performance.now() + DEADLINE_MS;
      while ((await stat(path).catch(() => undefined)) === undefined && performance.now() < deadlineMs)
        await sleep(100);
    } finally {
      await first.stop();
    }
    const text = await readFile(path, 'utf8');
    const { layers } = JSON.parse(text) as { readonly layers: Readonly<Record<string, unknown>> };
    const { graph } = await ZOO[MODEL].open();
    const { steps } = bindGraph(graph, new Map([[graph.inputs[0]!.name, { type: 'float32', shape: SHAPE }]]));
    const kinds = new Set(candidatesOf(steps, graph).map(({ layer }) => layerName(layer)));
    assert.deepEqual(new Set(Object.keys(layers)), kinds);

    const again = await startLonePeer(folder, { arithmetic: 'fast' });
    try {
      await ask(again);
    } finally {
      await again.stop();
    }
    assert.equal(await readFile(path, 'utf8'), text);
  });
});
