/** What peers say to each other about a request, and which way its tensors go. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { createOnnxRuntimeKernel } from '../../../kernels/onnxruntime/kernel.ts';
import type { Kernel } from '../../../kernels/kernel.ts';
import type { ElectionMessage } from '../../../protocols/election/messages.ts';
import type { Piece } from '../../../protocols/pieces/messages.ts';
import type { PlanMessage } from '../../../protocols/plan/messages.ts';
import { MeshError } from '../../../src/core/errors.ts';
import type { Graph } from '../../../src/core/graph/graph.ts';
import type { PeerId } from '../../../src/core/ids.ts';
import { fromFloat32, type Tensor } from '../../../src/core/tensor/tensor.ts';
import { EARLY_DEFAULTS } from '../../../src/mesh/early-pieces.ts';
import { isAt, TO_ENTRY } from '../../../src/mesh/piece-address.ts';
import { TELL_INTERVAL_MS } from '../../../src/mesh/work-signs.ts';
import { MemoryMesh, type MemoryMeshOptions } from '../../support/memory-mesh.ts';
import { selfContained } from '../../support/self-contained.ts';

const PEERS = 4;
const INPUT_BYTES = 28 * 28 * 4;
const LENET = fileURLToPath(new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url));

type Message = ElectionMessage | PlanMessage;
interface Sent<Own> {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly own: Own;
}

describe('the control plane of a request', function () {
  this.timeout(60_000);
  let kernel: Kernel;
  let graph: Graph;
  let inputs: Map<string, Tensor>;
  let mesh: MemoryMesh;
  let messages: Sent<Message>[];
  let pieces: Sent<Piece>[];

  before(async () => {
    kernel = createOnnxRuntimeKernel();
    graph = await selfContained(LENET);
    const values = Float32Array.from({ length: 28 * 28 }, (_, index) => ((index * 37) % 19 > 9 ? 1 : 0));
    inputs = new Map([['image', fromFloat32([1, 1, 28, 28], values)]]);
  });

  after(async () => kernel.close());
  afterEach(async () => mesh.stop());

  function start(options: Partial<MemoryMeshOptions> = {}): void {
    messages = [];
    pieces = [];
    mesh = new MemoryMesh({
      peers: PEERS,
      kernel,
      graph,
      ...options,
      onMessage: (from, to, own) => {
        messages.push({ from, to, own });
        return options.onMessage?.(from, to, own);
      },
      onPiece: (from, to, own) => {
        pieces.push({ from, to, own: { ...own, bytes: own.bytes.slice() } });
        options.onPiece?.(from, to, own);
      },
    });
  }

  /** One more request, and what was said and sent for it. */
  async function ask(entry = 0) {
    messages = [];
    pieces = [];
    const { outputs, report } = await mesh.infer(entry, inputs, PEERS);
    return { answer: [...outputs.values()][0]!.bytes, report };
  }

  const said = <Kind extends Message['kind']>(kind: Kind): Sent<Message & { readonly kind: Kind }>[] =>
    messages.filter((sent): sent is Sent<Message & { readonly kind: Kind }> => sent.own.kind === kind);

  it('tells the plan once, and waits for all before the first start', async () => {
    start();
    const { report } = await ask();
    assert.equal(report.attempts, 1);
    const assigns = said('assign');
    assert.equal(assigns.length, PEERS);
    assert.ok(assigns.every(({ own }) => own.plan !== undefined && own.isAwaited));
    assert.equal(said('ready').length, PEERS);
  });

  it('from the second request on names the plan by its digest and waits for nobody, whoever coordinates', async () => {
    start();
    const first = await ask();
    const coordinators = new Set<PeerId>();
    for (let turn = 0; turn < 12; turn++) {
      const { answer, report } = await ask(turn % PEERS);
      coordinators.add(report.coordinator);
      assert.deepEqual(answer, first.answer);
      assert.equal(said('assign').length, PEERS);
      assert.ok(said('assign').every(({ own }) => own.plan === undefined && !own.isAwaited));
      assert.equal(said('feed').length, 1);
      assert.equal(said('feed')[0]!.own.plan, undefined);
      for (const kind of ['lack', 'missed'] as const) assert.equal(said(kind).length, 0, kind);
      // On a busy machine a participant may say that it prepares, and then that it is ready; nobody waits for it.
      const order = messages.map(({ own }) => own.kind);
      assert.ok(!order.includes('ready') || order.indexOf('ready') > order.indexOf('feed'));
      assert.ok(said('progress').length <= PEERS * (report.elapsedMs / TELL_INTERVAL_MS));
      assert.equal(said('finished').length, PEERS);
    }
    assert.ok(coordinators.size > 1, 'several peers coordinated');
  });

  it('gives the memory of outputs back once they are sent, but for those that the entry itself keeps', async () => {
    const outputs: Tensor[] = [];
    const watched: Kernel = {
      name: kernel.name,
      memoryBytes: kernel.memoryBytes,
      prepare: (...parameters) => kernel.prepare(...parameters),
      release: (key) => kernel.release(key),
      close: () => Promise.resolve(),
      run: async (...parameters) => {
        const run = await kernel.run(...parameters);
        outputs.push(...run.outputs.values());
        return run;
      },
    };
    start({ kernel: watched });
    for (let turn = 0; turn < 3; turn++) {
      const first = outputs.length;
      const { answer } = await ask(turn % PEERS);
      const kept = outputs.slice(first).filter(({ bytes }) => !(bytes.buffer as ArrayBuffer).detached);
      assert.ok(outputs.length - first > kept.length, 'some were given back');
      assert.ok(
        kept.every(({ bytes }) => bytes.byteLength <= answer.byteLength),
        'parts of the answer only are kept',
      );
    }
  });

  it('sends inputs straight from the entry and outputs straight to it', async () => {
    start();
    for (let turn = 0; turn < 8; turn++) {
      const entry = mesh.peers[turn % PEERS]!.id;
      const { report } = await ask(turn % PEERS);
      const fromEntry = pieces.filter(({ own }) => own.tensor === 'image');
      const toEntry = pieces.filter(({ own }) => isAt(TO_ENTRY, own));
      assert.ok(fromEntry.length >= PEERS && toEntry.length > 0);
      assert.ok(fromEntry.every(({ from }) => from === entry));
      assert.ok(toEntry.every(({ to }) => to === entry));
      const moved = [...fromEntry, ...toEntry].filter(({ from, to }) => from !== to);
      const bytes = moved.reduce((sum, { own }) => sum + own.bytes.byteLength, 0);
      assert.equal(report.bytesThroughEntry, bytes);
      assert.ok(bytes < 2 * INPUT_BYTES, `${bytes} bytes`);
    }
  });

  it('sends the plan in full to a peer that says that it lacks it, which costs it nothing', async () => {
    start();
    const first = await ask();
    const forgetful = mesh.peers[2]!.id;
    let asked: Awaited<ReturnType<typeof ask>>;
    // Where it coordinates itself it makes the plan.
    do {
      mesh.replace(2);
      asked = await ask();
    } while (asked.report.coordinator === forgetful);
    const { answer, report } = asked;
    assert.deepEqual(answer, first.answer);
    assert.deepEqual([report.attempts, report.term, report.lostPeers], [1, 1, []]);
    assert.deepEqual(
      said('lack').map(({ from }) => from),
      [forgetful],
    );
    const inFull = said('assign').filter(({ own }) => own.plan !== undefined);
    assert.deepEqual(
      inFull.map(({ to }) => to),
      [forgetful],
    );
  });

  it('sends the plan in full to an entry that lacks it', async () => {
    // The slow one takes no part, so that nothing but its own requests tells it of plans.
    start({ speeds: [1, 1, 1, 0.01] });
    const parallelism = PEERS - 1;
    await mesh.infer(0, inputs, parallelism);
    messages = [];
    await mesh.infer(PEERS - 1, inputs, parallelism);
    const outsider = mesh.peers[PEERS - 1]!.id;
    assert.ok(said('assign').every(({ to }) => to !== outsider));
    assert.ok(said('feed').some(({ to, own }) => to === outsider && own.plan !== undefined));
  });

  it('keeps pieces that come before the plan', async () => {
    const late = { isOn: false };
    start({
      onMessage: (_from, to, message) =>
        late.isOn && message.kind === 'assign' && to === mesh.peers[1]!.id ? 100 : undefined,
    });
    const first = await ask();
    late.isOn = true;
    for (let turn = 0; turn < 4; turn++) {
      const { answer, report } = await ask(turn);
      assert.deepEqual(answer, first.answer);
      assert.equal(report.attempts, 1);
      assert.ok(report.elapsedMs >= 95, 'the plan was late');
      assert.equal(said('missed').length, 0);
    }
  });

  it('begins again and waits for all where they cannot be kept', async () => {
    const late = { isOn: false };
    start({
      earlyLimits: { ...EARLY_DEFAULTS, bytes: 0 },
      onMessage: (_from, to, message) =>
        late.isOn && message.kind === 'assign' && to === mesh.peers[1]!.id ? 100 : undefined,
    });
    const first = await ask();
    late.isOn = true;
    const { answer, report } = await ask();
    assert.deepEqual(answer, first.answer);
    assert.deepEqual([report.attempts, report.term, report.lostPeers], [2, 1, []]);
    assert.deepEqual(
      said('missed').map(({ from }) => from),
      [mesh.peers[1]!.id],
    );
    const second = said('assign').filter(({ own }) => own.attempt === 2);
    assert.ok(second.length === PEERS && second.every(({ own }) => own.isAwaited));
  });

  it('plans without a peer that the entry cannot reach', async () => {
    const cut = { isOn: false };
    start({
      onPiece: (from, to, piece) => {
        const isCut = cut.isOn && piece.tensor === 'image' && from !== to && to === mesh.peers[3]!.id;
        if (isCut) throw new MeshError('PEER_LOST', 'no way there');
      },
    });
    const first = await ask();
    cut.isOn = true;
    const { answer, report } = await ask();
    assert.deepEqual(answer, first.answer);
    // Where that peer coordinates it cannot do without itself, and another one is elected.
    assert.ok(report.attempts === 2 || report.term === 2);
    const unreachable = mesh.peers[3]!.id;
    assert.ok(said('failed').some(({ from, own }) => from === mesh.peers[0]!.id && own.lostPeer === unreachable));
    assert.ok(report.blocks.every((block) => block.parts.every(({ peer }) => peer !== unreachable)));
  });

  it('plans without a peer that cannot reach the entry', async () => {
    const cut = { isOn: false };
    start({
      onPiece: (from, to, piece) => {
        const isCut = cut.isOn && isAt(TO_ENTRY, piece) && from === mesh.peers[3]!.id && to !== from;
        if (isCut) throw new MeshError('PEER_LOST', 'no way there');
      },
    });
    const first = await ask();
    cut.isOn = true;
    for (let turn = 0; turn < 3; turn++) {
      const { answer, report } = await ask();
      assert.deepEqual(answer, first.answer);
      const last = report.blocks.at(-1)!;
      assert.ok(last.parts.every(({ peer }) => peer !== mesh.peers[3]!.id));
    }
  });
});
