/** How a peer comes to know which layers are to be computed by minimal filtering, with a kernel whose speed is told to it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kernel } from '../../kernels/kernel.ts';
import type { Graph } from '../../src/core/graph/graph.ts';
import type { Verdicts } from '../../src/core/graph/minimal-filtering.ts';
import type { ModelId } from '../../src/core/ids.ts';
import type { Shape } from '../../src/core/tensor/tensor.ts';
import { fromFloat32 } from '../../src/core/tensor/tensor.ts';
import { LayerGauge, type LayerGaugeParts } from '../../src/layer-gauge.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { graphOf, node, value } from './core/graph/small-graphs.ts';
import { ints } from './core/ops/facts.ts';

interface Speed {
  readonly exactMs: number;
  readonly fastMs: number;
  /** Of `fast` between others; the same as alone when absent. */
  readonly betweenMs?: number;
  /** Of results whose largest is 1. */
  readonly apart?: number;
}

const partsOf = (key: string): ['exact' | 'fast', string, 'alone' | 'between'] =>
  key.split(/[ /]/) as ReturnType<typeof partsOf>;

/** Runs take as long as is said of the layer; others fail. */
function kernelOf(speeds: Readonly<Record<string, Speed>>): { readonly kernel: Kernel; readonly measured: string[] } {
  const measured: string[] = [];
  const kernel: Kernel = {
    name: 'told',
    memoryBytes: Infinity,
    prepare: ({ key }) => {
      const [arithmetic, layer, surroundings] = partsOf(key);
      if (arithmetic === 'exact' && surroundings === 'alone') measured.push(layer);
      return Promise.resolve();
    },
    run: (key) => {
      const [arithmetic, layer, surroundings] = partsOf(key);
      const speed = speeds[layer];
      if (speed === undefined) return Promise.reject(new Error('broken'));
      const apart = arithmetic === 'fast' ? (speed.apart ?? 0) : 0;
      const y = fromFloat32([2], Float32Array.of(1, apart));
      const aloneMs = speed[`${arithmetic}Ms`];
      const isMore = surroundings === 'between' && arithmetic === 'fast';
      const computeMs = isMore ? (speed.betweenMs ?? aloneMs) : aloneMs;
      return Promise.resolve({ outputs: new Map([['y', y]]), computeMs });
    },
    release: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return { kernel, measured };
}

/** 8 to 16 channels, and on to 4, at 16x16. */
const FIRST = '8x16@16x16';
const SECOND = '16x4@16x16';
const ID = '0'.repeat(64) as ModelId;

function model(...input: Graph['inputs'][number]['dims']): Graph {
  const weight = (name: string, ...shape: Shape) => [name, { type: 'float32', shape, offset: 0 }] as const;
  const same = { pads: ints(1, 1, 1, 1) };
  const nodes = [node('Conv', ['x', 'v'], ['a'], same), node('Conv', ['a', 'w'], ['b'], same)];
  const weights = new Map([weight('v', 16, 8, 3, 3), weight('w', 4, 16, 3, 3)]);
  return graphOf(nodes, [{ ...value('x'), dims: input }], ['b'], { weights, opsets: { '': 13 } });
}

describe('gauge of layers', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-layers-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const open = (kernel: Kernel, parts: Partial<LayerGaugeParts> = {}): Promise<LayerGauge> =>
    LayerGauge.open({
      kernel,
      path: join(folder, 'layer-times.json'),
      machine: 'this',
      pinned: {},
      maxBytes: Infinity,
      isIdle: () => true,
      logger: createLogger('silent'),
      ...parts,
    });

  async function verdictsOf(speeds: Readonly<Record<string, Speed>>, parts: Partial<LayerGaugeParts> = {}) {
    const { kernel, measured } = kernelOf(speeds);
    const gauge = await open(kernel, parts);
    gauge.considerModel(ID, () => model('N', 8, 16, 16));
    await gauge.settled;
    await gauge.stop();
    return { verdicts: gauge.verdicts, measured };
  }

  const GAIN = { exactMs: 3, fastMs: 2 };
  const LOSS = { exactMs: 2, fastMs: 2 };

  it('takes minimal filtering for what it makes faster', async () => {
    const { verdicts } = await verdictsOf({ [FIRST]: GAIN, [SECOND]: LOSS });
    assert.deepEqual(verdicts, { [FIRST]: 'fast', [SECOND]: 'exact' });
  });

  it('takes it in chains only where it gains alone but not between others', async () => {
    const { verdicts } = await verdictsOf({ [FIRST]: { ...GAIN, betweenMs: 2.9 }, [SECOND]: GAIN });
    assert.deepEqual(verdicts, { [FIRST]: 'chained', [SECOND]: 'fast' });
  });

  it('does not take it, however fast, where results are further apart than is promised', async () => {
    const { verdicts } = await verdictsOf({ [FIRST]: { ...GAIN, apart: 9e-5 }, [SECOND]: { ...GAIN, apart: 2e-4 } });
    assert.deepEqual(verdicts, { [FIRST]: 'fast', [SECOND]: 'exact' });
  });

  it('measures a layer once on a machine, and again on another', async () => {
    const speeds = { [FIRST]: GAIN, [SECOND]: LOSS };
    const first = await verdictsOf(speeds);
    assert.deepEqual(first.measured, [FIRST, SECOND]);
    const again = await verdictsOf({});
    assert.deepEqual(again, { verdicts: first.verdicts, measured: [] });
    const other = await verdictsOf({ [FIRST]: LOSS, [SECOND]: GAIN }, { machine: 'other' });
    assert.deepEqual(other.verdicts, { [FIRST]: 'exact', [SECOND]: 'fast' });
  });

  it('starts afresh where the file is damaged', async () => {
    await writeFile(join(folder, 'layer-times.json'), '{"schema":"tilemesh.layer-times/1","layers":{"a":1}}');
    const { measured } = await verdictsOf({ [FIRST]: GAIN, [SECOND]: LOSS });
    assert.deepEqual(measured, [FIRST, SECOND]);
  });

  it('leaves what is pinned, and what is too large to measure, as it is', async () => {
    const pinned: Verdicts = { [FIRST]: 'exact' };
    const one = await verdictsOf({ [SECOND]: GAIN }, { pinned });
    assert.deepEqual(one, { verdicts: { [FIRST]: 'exact', [SECOND]: 'fast' }, measured: [SECOND] });
    await rm(join(folder, 'layer-times.json'));
    const none = await verdictsOf({}, { maxBytes: 1_000 });
    assert.deepEqual(none, { verdicts: {}, measured: [] });
  });

  it('lets the layers of a model come into force together, once nothing else is to be done', async () => {
    const { kernel, measured } = kernelOf({ [FIRST]: GAIN, [SECOND]: GAIN });
    const seen: Verdicts[] = [];
    let isIdle = false;
    const gauge: LayerGauge = await open(
      { ...kernel, run: (...call) => (seen.push(gauge.verdicts), kernel.run(...call)) },
      { isIdle: () => isIdle },
    );
    gauge.considerModel(ID, () => model(1, 8, 16, 16));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(measured, []);
    isIdle = true;
    await gauge.settled;
    assert.ok(seen.length > 4 && seen.every((verdicts) => Object.keys(verdicts).length === 0));
    assert.deepEqual(gauge.verdicts, { [FIRST]: 'fast', [SECOND]: 'fast' });
    await gauge.stop();
  });

  it('goes on without verdicts where the kernel fails, and stops while it waits', async () => {
    const { verdicts } = await verdictsOf({ [SECOND]: GAIN });
    assert.deepEqual(verdicts, {});
    const gauge = await open(kernelOf({}).kernel, { isIdle: () => false });
    gauge.considerModel(ID, () => model(1, 8, 16, 16));
    await gauge.stop();
    assert.deepEqual(gauge.verdicts, {});
  });

  it('waits for a request where a model leaves the size of its maps open', async () => {
    const { kernel, measured } = kernelOf({ [FIRST]: GAIN, [SECOND]: LOSS });
    const gauge = await open(kernel);
    gauge.considerModel(ID, () => model(1, 8, 'H', 'W'));
    await gauge.settled;
    assert.deepEqual(measured, []);
    gauge.consider(model(1, 8, 'H', 'W'), new Map([['x', { type: 'float32', shape: [1, 8, 16, 16] }]]));
    await gauge.settled;
    assert.deepEqual(measured, [FIRST, SECOND]);
    await gauge.stop();
  });
});
