import assert from 'node:assert/strict';
import { recoveryFailure, sumUp, type RecoveryResult } from '../../../bench/recovery/measure.ts';
import { renderRecovery } from '../../../bench/recovery/render.ts';
import { reuseIn } from '../../../bench/recovery/reuse.ts';
import { blockAt, momentsIn, stagesOf, type Stage } from '../../../bench/recovery/stages.ts';
import { isHit, type Trial } from '../../../bench/recovery/trial.ts';
import type { PeerId } from '../../../src/core/ids.ts';
import type { BlockOutline } from '../../../src/core/trace/outline.ts';
import type { AttemptTrace, ComputeSpan, PeerTrace, RequestTrace } from '../../../src/core/trace/trace.ts';
import { ENTRY, sampleTrace, WORKER } from '../../support/sample-trace.ts';
import { recordingTerminal } from '../../support/terminal.ts';

const SAMPLE = sampleTrace();
const OUTLINE = SAMPLE.attempts[1]!.plan!;

const block = (nodes: readonly string[], tiles: number): BlockOutline => ({
  ...OUTLINE.blocks[0]!,
  nodes,
  nodeCount: nodes.length,
  tiles: Array.from({ length: tiles }, () => OUTLINE.blocks[0]!.tiles[0]!),
});

const attempt = (outcome: AttemptTrace['outcome'], blocks: readonly BlockOutline[]): AttemptTrace => ({
  ...SAMPLE.attempts[1]!,
  outcome,
  plan: { ...OUTLINE, blocks },
});

const tile = (attemptIndex: number, blockIndex: number, endMs: number): ComputeSpan => ({
  attempt: attemptIndex,
  block: blockIndex,
  part: 0,
  lane: 0,
  readyMs: 0,
  startMs: endMs - 1,
  endMs,
});

const peer = (id: PeerId, ...computed: readonly ComputeSpan[]): PeerTrace => ({
  ...SAMPLE.peers[0]!,
  peer: id,
  computed,
});

const trace = (attempts: readonly AttemptTrace[], ...peers: readonly PeerTrace[]): RequestTrace => ({
  ...SAMPLE,
  attempts,
  peers,
});

const VICTIM = 'victim' as PeerId;
const FIRST = [block(['a', 'b'], 2), block(['c'], 2)];

describe('bench/recovery/reuse', () => {
  it('is nothing where all that was finished is computed again, however it is cut then', () => {
    const again = attempt('answered', [block(['a', 'b', 'c'], 1)]);
    const told = trace([attempt('replaced', FIRST), again], peer(ENTRY, tile(0, 0, 5), tile(1, 0, 20)));
    assert.deepEqual(reuseIn(told, VICTIM, 10), { finished: 1, reused: 0 });
  });

  it('is all of it where later plans begin after it', () => {
    const rest = attempt('answered', [block(['c'], 2)]);
    const told = trace(
      [attempt('replaced', FIRST), rest],
      peer(ENTRY, tile(0, 0, 5), tile(1, 0, 20)),
      peer(WORKER, tile(0, 0, 6), tile(1, 0, 21)),
    );
    assert.deepEqual(reuseIn(told, VICTIM, 10), { finished: 2, reused: 2 });
  });

  it('is a part where a part of the nodes, or of their tiles, is computed again', () => {
    const half = attempt('answered', [block(['b'], 2), block(['c'], 1)]);
    const told = trace([attempt('replaced', FIRST), half], peer(ENTRY, tile(0, 0, 5), tile(1, 0, 20), tile(1, 1, 30)));
    assert.deepEqual(reuseIn(told, VICTIM, 10), { finished: 1, reused: 0.75 });
  });

  it('does not count what the victim had finished, nor what was finished afterwards', () => {
    const again = attempt('answered', FIRST);
    const told = trace([attempt('replaced', FIRST), again], peer(VICTIM, tile(0, 0, 5)), peer(ENTRY, tile(0, 0, 11)));
    assert.deepEqual(reuseIn(told, VICTIM, 10), { finished: 0, reused: 0 });
  });

  it('counts no tile twice that three plans compute', () => {
    const plans = [attempt('replaced', FIRST), attempt('replaced', FIRST), attempt('answered', FIRST)];
    const twice = [0, 1, 2].flatMap((index) => [tile(index, 0, 5), tile(index, 0, 5)]);
    assert.deepEqual(reuseIn(trace(plans, peer(ENTRY, ...twice)), VICTIM, 10), { finished: 4, reused: 0 });
  });

  it('finds nothing finished where one plan was enough, and cannot tell where a plan is forgotten', () => {
    const only = trace([attempt('answered', FIRST)], peer(ENTRY, tile(0, 0, 5)));
    assert.deepEqual(reuseIn(only, VICTIM, 10), { finished: 0, reused: 0 });
    const forgotten = { ...attempt('replaced', FIRST), plan: null };
    assert.equal(reuseIn(trace([forgotten, attempt('answered', FIRST)], peer(ENTRY, tile(0, 0, 5))), VICTIM, 10), null);
  });
});

describe('bench/recovery/stages', () => {
  it('are the blocks of the plan that was answered, from their first tile to their last', () => {
    const told = trace(
      [attempt('replaced', FIRST), attempt('answered', FIRST)],
      peer(ENTRY, tile(0, 0, 3), tile(1, 1, 30), tile(1, 0, 10)),
      peer(WORKER, tile(1, 0, 15)),
    );
    assert.deepEqual(stagesOf(told), [
      { block: 0, name: 'a', startMs: 9, endMs: 15 },
      { block: 1, name: 'c', startMs: 29, endMs: 30 },
    ]);
  });

  it('are under way from the first of their tiles on, in the first plan', () => {
    const told = trace(
      [attempt('replaced', FIRST), attempt('answered', FIRST)],
      peer(ENTRY, tile(0, 0, 10), tile(0, 1, 20), tile(1, 2, 12)),
    );
    assert.deepEqual(
      [5, 9, 18, 19, 99].map((ms) => blockAt(told, ms)),
      [0, 0, 0, 1, 1],
    );
  });

  const stage = (index: number): Stage => ({ block: index, name: '', startMs: 100 * index, endMs: 100 * index + 100 });

  it('have moments within each of them, evenly, and each as many as the others as far as that goes', () => {
    const stages = Array.from({ length: 8 }, (_, index) => stage(index));
    const moments = momentsIn(stages, 10);
    assert.equal(moments.length, 10);
    assert.deepEqual(new Set(moments.map(({ stage: own }) => own.block)), new Set([0, 1, 2, 3, 4, 5, 6, 7]));
    for (const { stage: own, atMs } of moments) assert.ok(atMs > own.startMs && atMs < own.endMs);
    assert.deepEqual(
      momentsIn([stage(0), stage(1)], 4).map(({ atMs }) => atMs),
      [25, 75, 125, 175],
    );
    assert.deepEqual(
      momentsIn(stages, 2).map(({ atMs }) => atMs),
      [250, 650],
    );
  });
});

describe('bench/recovery/trial', () => {
  it('counts only when the victim had the part that was meant', () => {
    const accepted = (by: PeerId): RequestTrace => {
      const [entry] = SAMPLE.peers;
      const marks = [{ atMs: 1, what: 'accepted' as const, term: 1, attempt: 0, peer: by }];
      return trace([attempt('answered', FIRST)], { ...entry!, marks });
    };
    assert.equal(isHit(accepted(WORKER), { id: WORKER }, 'coordinator'), true);
    assert.equal(isHit(accepted(ENTRY), { id: WORKER }, 'coordinator'), false);
    assert.equal(isHit(accepted(ENTRY), { id: WORKER }, 'participant'), true);
    assert.equal(isHit(accepted(WORKER), { id: WORKER }, 'participant'), false);
    assert.equal(isHit(accepted(ENTRY), { id: VICTIM }, 'participant'), false, 'it computes nothing');
  });
});

const trial = (overrides: Partial<Trial> = {}): Trial => ({
  kind: 'kill',
  role: 'participant',
  victim: 'board-01',
  stage: 'conv1',
  block: 0,
  faultMs: 50,
  usualMs: 200,
  latencyMs: 300,
  difference: 0,
  failure: null,
  term: 1,
  attempts: 2,
  reuse: { finished: 4, reused: 1 },
  memberAgainMs: 900,
  ...overrides,
});

describe('bench/recovery', () => {
  const lost = trial({
    latencyMs: null,
    difference: null,
    failure: 'PEER_LOST: gone',
    term: 0,
    attempts: 0,
    reuse: null,
  });

  it('adds up what the trials of one kind took beyond the usual', () => {
    const sum = sumUp([trial(), trial({ latencyMs: 500, term: 2, attempts: 4, memberAgainMs: null }), lost]);
    assert.deepEqual([sum.trials, sum.lost, sum.untold, sum.returned], [3, 1, 1, 2]);
    assert.deepEqual([sum.addedMs?.min, sum.addedMs?.median, sum.addedMs?.max], [100, 200, 300]);
    assert.deepEqual([sum.terms, sum.attempts, sum.finishedTiles, sum.reusedTiles], [1.5, 3, 8, 2]);
  });

  const summary = { count: 1, min: 1, median: 200, p95: 1, max: 1 };
  const result = (trials: readonly Trial[]): RecoveryResult => ({
    schema: 'tilemesh.bench.recovery/1',
    machine: {} as RecoveryResult['machine'],
    setting: {
      model: 'vgg16', shape: [], peers: 4, cpu: 0.25, link: 940, times: 1, fault: ['kill'], parallelism: 0, macsPerCoreSecond: 1,
    }, // prettier-ignore
    undisturbedMs: summary,
    stages: [],
    recoveries: [sumUp(trials)],
    trials,
    missed: 0,
    answers: { checked: 3, largestDifference: 0, tolerance: 1e-5 },
    load: { idle: 0, steal: 0 },
  });
  const coordinator = trial({ role: 'coordinator' });

  it('fails when a request was lost, a board did not come back, or nothing was hit', () => {
    assert.equal(recoveryFailure(result([trial(), coordinator])), undefined);
    assert.match(recoveryFailure(result([lost, coordinator])) ?? '', /1 of 2 requests .* PEER_LOST/);
    assert.match(recoveryFailure(result([trial({ memberAgainMs: null }), coordinator])) ?? '', /1 of 2 boards/);
    assert.match(recoveryFailure(result([trial()])) ?? '', /only 1 of 2 .* kill of the participant 1/);
  });

  it('shows what was added, planned, reused and came back, also where nothing was answered', () => {
    const { terminal } = recordingTerminal();
    const shown = renderRecovery(terminal, result([trial(), trial()]));
    assert.match(shown, /kill of the participant +2 +0 +\+100 ms .* 2\.0 +25\.0 % of 8 +2 of 2/);
    assert.match(renderRecovery(terminal, result([lost])), /kill of the participant +1 +1 +- +- +- +-/);
  });
});
