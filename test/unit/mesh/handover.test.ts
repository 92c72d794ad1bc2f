import assert from 'node:assert/strict';
import type { Piece } from '../../../protocols/pieces/messages.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { wholeRegion, type Region } from '../../../src/core/geometry/region.ts';
import { bindGraph } from '../../../src/core/graph/bind.ts';
import { asPeerId, type ModelId, type PeerId, type RequestId } from '../../../src/core/ids.ts';
import { deriveDataflow } from '../../../src/core/plan/dataflow.ts';
import { PLAN_SCHEMA, type Plan } from '../../../src/core/plan/plan.ts';
import { fromFloat32, type Shape, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { Handover } from '../../../src/mesh/handover.ts';
import { TO_ENTRY } from '../../../src/mesh/piece-address.ts';
import type { PieceChannel } from '../../../src/mesh/ports.ts';
import { SYSTEM_CLOCK } from '../../../src/mesh/ports.ts';
import { Recorder } from '../../../src/mesh/recording.ts';
import type { PreparedPlan } from '../../../src/mesh/preparation.ts';
import { graphOf, node, value } from '../core/graph/small-graphs.ts';

const ENTRY = asPeerId('entry');
const OTHER = asPeerId('other');
const ID = { requestId: '0'.repeat(32) as RequestId, term: 2, attempt: 3 };

const rows = (batch: number, start: number, end: number): Region => [
  { start: 0, end: batch },
  { start: 0, end: 1 },
  { start, end },
  { start: 0, end: 2 },
];

/** sum = left + right, the upper rows at the entry and the lower ones at another peer. `left` is an output too. */
function prepare(shape: Shape): PreparedPlan {
  const graph = graphOf(
    [node('Add', ['left', 'right'], ['sum'])],
    [value('left', ...shape), value('right', ...shape)],
    ['sum', 'left'],
  );
  const inputs = { left: { type: 'float32', shape }, right: { type: 'float32', shape } } as const;
  const plan: Plan = {
    schema: PLAN_SCHEMA,
    modelId: 'a'.repeat(64) as ModelId,
    inputs,
    arithmetic: 'exact',
    participants: [ENTRY, OTHER],
    blocks: [
      {
        first: 0,
        last: 0,
        cut: { axes: [2], counts: [2] },
        parts: [
          { participant: 0, outputs: { sum: rows(shape[0]!, 0, 1) }, predictedMs: 1 },
          { participant: 1, outputs: { sum: rows(shape[0]!, 1, 4) }, predictedMs: 1 },
        ],
      },
    ],
    predictedMs: 1,
    singleMs: 1,
  };
  const bound = bindGraph(graph, new Map(Object.entries(inputs)));
  return { bound, plan, dataflow: deriveDataflow(bound, plan) };
}

interface Sent {
  readonly to: PeerId;
  readonly piece: Piece;
}

function channel(sent: Sent[], unreachable?: PeerId): PieceChannel {
  return {
    admit: () => true,
    onPiece: () => () => undefined,
    send: (to, piece) => {
      if (to === unreachable) return Promise.reject(new MeshError('PEER_LOST', 'gone'));
      sent.push({ to, piece: { ...piece, bytes: piece.bytes.slice() } });
      return Promise.resolve();
    },
  };
}

const numbers = (shape: Shape, first: number): Tensor => {
  const count = shape.reduce((product, extent) => product * extent, 1);
  return fromFloat32(
    shape,
    Float32Array.from({ length: count }, (_, index) => first + index),
  );
};

const noted = () => ({ clock: SYSTEM_CLOCK, recording: new Recorder(SYSTEM_CLOCK).of(ID.requestId) });

describe('mesh/handover', () => {
  for (const batch of [1, 2]) {
    describe(`with a batch of ${batch}`, () => {
      const shape = [batch, 1, 4, 2];
      const inputs = new Map([
        ['left', numbers(shape, 0)],
        ['right', numbers(shape, 100)],
      ]);
      let sent: Sent[];
      let handover: Handover;

      beforeEach(() => {
        sent = [];
        const { signal } = new AbortController();
        const prepared = prepare(shape);
        handover = new Handover({ id: ID, self: ENTRY, prepared, inputs, pieces: channel(sent), ...noted(), signal });
      });

      it('sends each tile its rows of each input, and nothing else', async () => {
        await handover.send();
        assert.deepEqual(
          sent.map(({ to, piece }) => [to, piece.block, piece.part, piece.tensor, piece.region]),
          [
            [ENTRY, 0, 0, 'left', rows(batch, 0, 1)],
            [ENTRY, 0, 0, 'right', rows(batch, 0, 1)],
            [OTHER, 0, 1, 'left', rows(batch, 1, 4)],
            [OTHER, 0, 1, 'right', rows(batch, 1, 4)],
          ],
        );
        const [, , , last] = sent;
        const values = new Float32Array(last!.piece.bytes.slice().buffer);
        assert.deepEqual([...values.subarray(0, 6)], [102, 103, 104, 105, 106, 107]);
        assert.equal(handover.bytesSent, 2 * batch * 3 * 2 * 4);
        assert.ok(sent.every(({ piece }) => piece.term === ID.term && piece.attempt === ID.attempt));
      });

      it('puts the outputs together, with inputs that are outputs too', () => {
        const sum = (start: number, end: number): Piece => {
          const part = numbers([batch, 1, end - start, 2], start);
          return {
            ...ID,
            ...TO_ENTRY,
            tensor: 'sum',
            type: 'float32',
            region: rows(batch, start, end),
            bytes: part.bytes,
          };
        };
        handover.add(OTHER, sum(1, 4));
        assert.ok(!handover.isComplete);
        handover.add(ENTRY, sum(0, 1));
        assert.ok(handover.isComplete);
        const outputs = handover.outputs();
        assert.deepEqual([...outputs.keys()], ['sum', 'left']);
        assert.deepEqual(outputs.get('sum')!.shape, shape);
        assert.equal(outputs.get('left'), inputs.get('left'));
      });
    });
  }

  const SHAPE = [1, 1, 4, 2];
  const inputs = new Map([
    ['left', numbers(SHAPE, 0)],
    ['right', numbers(SHAPE, 100)],
  ]);
  const { signal } = new AbortController();

  it('takes outputs of its own attempt, from participants, and no others', () => {
    const handover = new Handover({
      id: ID,
      self: ENTRY,
      prepared: prepare(SHAPE),
      inputs,
      pieces: channel([]),
      ...noted(),
      signal,
    });
    const header = {
      ...ID,
      ...TO_ENTRY,
      tensor: 'sum',
      type: 'float32',
      region: rows(1, 0, 1),
      byteLength: 8,
    } as const;
    assert.ok(handover.admits(OTHER, header));
    assert.ok(!handover.admits(asPeerId('stranger'), header));
    for (const change of [{ term: 1 }, { attempt: 2 }, { tensor: 'left' }, { tensor: 'x' }, { block: 0 }]) {
      assert.ok(!handover.admits(OTHER, { ...header, ...change }), JSON.stringify(change));
    }
  });

  it('names the peer that it cannot reach', async () => {
    const pieces = channel([], OTHER);
    const handover = new Handover({
      id: ID,
      self: ENTRY,
      prepared: prepare(SHAPE),
      inputs,
      pieces,
      ...noted(),
      signal,
    });
    await assert.rejects(handover.send(), { code: 'PEER_LOST', details: { lostPeer: OTHER } });
  });

  it('keeps its inputs for a later attempt when its own kernel takes over what it is fed', async () => {
    const sent: Sent[] = [];
    const prepared = prepare(SHAPE);
    const [part] = prepared.plan.blocks[0]!.parts;
    const whole = { ...part!, outputs: { sum: wholeRegion(SHAPE) } };
    const plan = { ...prepared.plan, blocks: [{ ...prepared.plan.blocks[0]!, parts: [whole] }] };
    const alone = { bound: prepared.bound, plan, dataflow: deriveDataflow(prepared.bound, plan) };
    await new Handover({
      id: ID,
      self: ENTRY,
      prepared: alone,
      inputs,
      pieces: channel(sent),
      ...noted(),
      signal,
    }).send();
    for (const { piece } of sent) {
      assert.deepEqual(piece.bytes, inputs.get(piece.tensor)!.bytes);
      assert.notEqual(piece.bytes.buffer, inputs.get(piece.tensor)!.bytes.buffer);
    }
  });

  it('hands over texts, whose elements have no size', async () => {
    const sent: Sent[] = [];
    const prepared = prepare(SHAPE);
    const text: Tensor = { type: 'string', shape: [2], bytes: Uint8Array.of(1, 2, 3) };
    const transfer = { index: 0, tensor: 'text', region: wholeRegion([2]), from: -1, to: 1, block: 0, part: 0 };
    const dataflow = { ...prepared.dataflow, sends: new Map([['entry', [transfer]]]) };
    const own = { ...prepared, dataflow };
    const texts = new Map([['text', text]]);
    await new Handover({
      id: ID,
      self: ENTRY,
      prepared: own,
      inputs: texts,
      pieces: channel(sent),
      ...noted(),
      signal,
    }).send();
    assert.deepEqual(
      sent.map(({ piece }) => [...piece.bytes]),
      [[1, 2, 3]],
    );
  });
});
