import assert from 'node:assert/strict';
import { lenet5Graph } from '../../../../models/zoo/lenet5/network.ts';
import { vggGraph } from '../../../../models/zoo/vgg/network.ts';
import { GIGABIT } from '../../../../src/core/cost/cost-model.ts';
import { bindGraph, type Arithmetic } from '../../../../src/core/graph/bind.ts';
import type { Graph } from '../../../../src/core/graph/graph.ts';
import { asPeerId, type ModelId } from '../../../../src/core/ids.ts';
import { decodePlan, encodePlan } from '../../../../src/core/plan/encode.ts';
import type { Plan } from '../../../../src/core/plan/plan.ts';
import { planRequest } from '../../../../src/core/plan/planner.ts';

function plan(graph: Graph, boards: number, arithmetic: Arithmetic = 'exact'): Plan {
  const [input] = graph.inputs;
  const shape = input!.dims.map((dim) => (typeof dim === 'string' ? 1 : dim));
  const peers = Array.from({ length: boards }, (_, index) => ({
    peer: asPeerId(`12D3KooWP21YYEYLYfWLz2nApffkuBc5tGjmAuQTe51ts7dRf2${index + 10}`),
    macsPerSecond: 1e10,
    memoryBudgetBytes: 1e9,
  }));
  return planRequest({
    bound: bindGraph(graph, new Map([[input!.name, { type: 'float32', shape }]]), arithmetic),
    modelId: 'a'.repeat(64) as ModelId,
    peers,
    coordinator: peers[0]!.peer,
    link: GIGABIT,
    parallelism: boards,
  });
}

/** What predictions look like once digits that mean nothing are gone. */
const rounded = (plan: Plan): unknown =>
  JSON.parse(JSON.stringify(plan), (key, value: unknown) =>
    key.endsWith('Ms') ? Math.round((value as number) * 100) / 100 : value,
  );

describe('core/plan/encode', () => {
  it('decodes what it encoded, predictions to a hundredth of a millisecond', () => {
    for (const made of [plan(lenet5Graph(), 2), plan(vggGraph('vgg16'), 4)]) {
      assert.deepEqual(decodePlan(encodePlan(made)), rounded(made));
    }
  });

  it('names the convolutions by minimal filtering in fast arithmetic, and no others', () => {
    const { filtered = [] } = decodePlan(encodePlan(plan(vggGraph('vgg16'), 4, 'fast')));
    const convolutions = vggGraph('vgg16').nodes.filter(({ op }) => op === 'Conv');
    assert.ok(filtered.length > 0 && filtered.length < convolutions.length);
    assert.ok(filtered.every((name) => convolutions.some(({ outputs }) => outputs[0] === name)));
    assert.ok(!('filtered' in decodePlan(encodePlan(plan(vggGraph('vgg16'), 4)))));
  });

  it('keeps scalars and whole values of unknown size', () => {
    const good = plan(lenet5Graph(), 1);
    const outputs = { scalar: [], opaque: null, row: [{ start: 2, end: 5 }] };
    const odd: Plan = {
      ...good,
      blocks: [{ ...good.blocks[0]!, parts: [{ participant: 0, outputs, predictedMs: 1 }] }],
    };
    assert.deepEqual(decodePlan(encodePlan(odd)).blocks[0]!.parts[0]!.outputs, outputs);
  });

  it('takes under 16 KB for VGG-16 on 24 boards', () => {
    const { byteLength } = encodePlan(plan(vggGraph('vgg16'), 24));
    assert.ok(byteLength < 16_000, `${byteLength} bytes`);
  });

  describe('what is no plan is refused', () => {
    type Wire = Record<string, unknown> & { readonly blocks: readonly unknown[][] };
    const good = JSON.parse(new TextDecoder().decode(encodePlan(plan(lenet5Graph(), 2)))) as Wire;
    const [first, last, axes, counts, parts] = good.blocks[0]! as [unknown, unknown, unknown, unknown, number[][]];
    const withPart = (part: unknown): unknown => ({ ...good, blocks: [[first, last, axes, counts, [part]]] });
    const [, ms, ...outputs] = parts[0]!;
    const broken: readonly (readonly [string, unknown, RegExp])[] = [
      ['no object', 'plan', /not an object/],
      ['another schema', { ...good, schema: 'tilemesh.plan/0' }, /schema/],
      ['no model', { ...good, modelId: 'vgg' }, /modelId/],
      ['a type that is none', { ...good, inputs: { image: { type: 'float', shape: [1] } } }, /element type/],
      ['a participant that is none', { ...good, participants: [1] }, /participant/],
      ['no names of tensors', { ...good, tensors: undefined }, /tensors/],
      ['too many blocks', { ...good, blocks: new Array(5000).fill(good.blocks[0]) }, /blocks/],
      ['a block that is no list', { ...good, blocks: [{}] }, /a block/],
      ['a cut along three axes', { ...good, blocks: [[first, last, [1, 2, 3], counts, parts]] }, /a cut/],
      ['a part that is no list', withPart(null), /a part/],
      ['a part without a participant', withPart([]), /participant/],
      ['a part of nobody', withPart([7, ms, ...outputs]), /participant/],
      ['an unnamed tensor', withPart([0, 1, 999, 0]), /a tensor/],
      ['too many axes', withPart([0, 1, 0, 9]), /a rank/],
      ['an axis too few', withPart([0, 1, 0, 2, 0, 4, 0]), /region/],
      ['an empty region', withPart([0, 1, 0, 1, 2, 2]), /empty/],
      ['a negative region', withPart([0, 1, 0, 1, -1, 2]), /number/],
      ['half an element', withPart([0, 1, 0, 1, 0, 1.5]), /number/],
    ];
    for (const [name, value, message] of broken) {
      const encoded = new TextEncoder().encode(JSON.stringify(value));
      it(name, () => assert.throws(() => decodePlan(encoded), { code: 'INVALID_MESSAGE', message }));
    }

    it('no JSON', () =>
      assert.throws(() => decodePlan(Uint8Array.of(0x7b)), { code: 'INVALID_MESSAGE', message: /JSON/ }));
  });
});
