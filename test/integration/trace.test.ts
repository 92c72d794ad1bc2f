/** Traces of real requests over real peers: every peer tells the same story, on one clock, with every tile and piece in it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Boards, type Board } from '../../demo/boards.ts';
import { getJson, postForEvents } from '../../src/cli/client.ts';
import type { RequestSummary } from '../../src/core/trace/summary.ts';
import type { RequestTrace } from '../../src/core/trace/trace.ts';

const BOARDS = 3;
const MODEL = 'language';
const PATIENCE_MS = 60_000;
const within = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS);

describe('traces', function () {
  this.timeout(180_000);
  let boards: Boards;
  let requestId: string;

  async function ask(entry: Board, id: string): Promise<void> {
    await postForEvents(
      [entry.url],
      {
        path: `/tilemesh/v1/models/${MODEL}/run`,
        query: { requestId: id, parallelism: String(BOARDS) },
        body: new TextEncoder().encode('Bonjour tout le monde, comment allez vous ce matin'),
        signal: within(),
      },
      () => undefined,
    );
  }

  const traceOnce = async (board: Board, id: string): Promise<RequestTrace> =>
    (await getJson([board.url], `/tilemesh/v1/requests/${id}/trace`, within())) as RequestTrace;

  /** On a busy machine a board may answer too late: it is asked again. */
  async function traceFrom(board: Board, id: string): Promise<RequestTrace> {
    const deadlineMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const trace = await traceOnce(board, id);
      if (trace.missing.length === 0) return trace;
      assert.ok(performance.now() < deadlineMs, JSON.stringify(trace.missing));
    }
  }

  before(async () => {
    boards = await Boards.start(BOARDS);
    await boards.formMesh();
    requestId = randomBytes(16).toString('hex');
    await ask(boards.boards[0]!, randomBytes(16).toString('hex'));
    await ask(boards.boards[0]!, requestId);
  });
  after(() => boards.stop());

  it('have every tile of the plan computed once, by the peer that the plan names', async () => {
    const trace = await traceFrom(boards.boards[1]!, requestId);
    assert.deepEqual([trace.schema, trace.state, trace.model], ['tilemesh.trace/1', 'answered', MODEL]);
    assert.equal(trace.entry, boards.boards[0]!.id);
    const attempt = trace.attempts.at(-1)!;
    assert.equal(attempt.outcome, 'answered');
    const plan = attempt.plan!;
    assert.equal(plan.participants.length, BOARDS);
    const planned = plan.blocks.flatMap(({ tiles }, block) =>
      tiles.map(({ participant }, part) => `${block}/${part} ${plan.participants[participant]!}`),
    );
    const done = trace.peers.flatMap(({ peer, computed }) =>
      computed.map(({ block, part }) => `${block}/${part} ${peer}`),
    );
    assert.deepEqual(done.sort(), planned.sort());
  });

  it('have every piece of the plan sent and received, by whom and as large as the plan says', async () => {
    const trace = await traceFrom(boards.boards[2]!, requestId);
    const plan = trace.attempts.at(-1)!.plan!;
    const peerOf = (end: number): string => (end === -1 ? trace.entry! : plan.participants[end]!);
    const describe = (piece: number, bytes: number, peer: string): string => `${piece} ${bytes} ${peer}`;
    const expected = (end: 'from' | 'to'): string[] =>
      plan.pieces.map((piece) => describe(piece.id, piece.bytes, peerOf(piece[end]))).sort();
    const found = (way: 'sent' | 'received'): string[] =>
      trace.peers.flatMap((own) => own[way].map(({ piece, bytes }) => describe(piece, bytes, own.peer))).sort();
    assert.ok(plan.pieces.length > 0);
    assert.deepEqual(found('sent'), expected('from'));
    assert.deepEqual(found('received'), expected('to'));
  });

  it('keep cause before effect, within what they say of their clocks', async () => {
    const trace = await traceFrom(boards.boards[0]!, requestId);
    const uncertainty = Math.max(...trace.peers.map(({ clock }) => clock.uncertaintyMs)) * 2;
    const sent = new Map(trace.peers.flatMap((own) => own.sent.map((span) => [span.piece, span.startMs] as const)));
    for (const { piece, endMs } of trace.peers.flatMap(({ received }) => received)) {
      assert.ok(endMs >= sent.get(piece)! - uncertainty, `piece ${piece} came before it was sent`);
    }
    for (const { readyMs, startMs, endMs } of trace.peers.flatMap(({ computed }) => computed)) {
      assert.ok(readyMs <= startMs && startMs <= endMs);
      assert.ok(startMs >= -uncertainty && endMs <= trace.elapsedMs + uncertainty);
    }
  });

  it('are the same from every peer, but for the clock', async () => {
    const traces = await Promise.all(boards.boards.map((board) => traceFrom(board, requestId)));
    const shapes = traces.map(({ attempts, peers, state, entry }) => ({
      attempts,
      state,
      entry,
      peers: peers
        .map(({ peer, computed, sent, received }) => [peer, computed.length, sent.length, received.length])
        .sort(),
    }));
    assert.deepEqual(shapes[1], shapes[0]);
    assert.deepEqual(shapes[2], shapes[0]);
  });

  it('are listed at every peer, newest first', async () => {
    const { requests } = (await getJson([boards.boards[2]!.url], '/tilemesh/v1/requests', within())) as {
      readonly requests: readonly RequestSummary[];
    };
    assert.equal(requests[0]!.requestId, requestId);
    assert.deepEqual([requests[0]!.state, requests[0]!.entry], ['answered', boards.boards[0]!.id]);
    assert.equal(requests.length, 2);
  });

  it('are refused for what is no request, and for one that nobody remembers', async () => {
    await assert.rejects(traceFrom(boards.boards[0]!, 'nonsense'), { code: 'INVALID_ARGUMENT' });
    await assert.rejects(traceFrom(boards.boards[0]!, '0'.repeat(32)), { code: 'NOT_FOUND' });
  });

  it('name a peer that does not answer, and show the rest', async () => {
    const [entry, other, frozen] = boards.boards as [Board, Board, Board];
    frozen.process.kill('SIGSTOP');
    try {
      const trace = await traceOnce(other, requestId);
      assert.deepEqual(
        trace.missing.map(({ peer }) => peer),
        [frozen.id],
      );
      assert.ok(trace.peers.some(({ peer }) => peer === entry.id));
      assert.equal(trace.names[frozen.id as keyof typeof trace.names], frozen.name);
    } finally {
      frozen.process.kill('SIGCONT');
    }
  });
});
