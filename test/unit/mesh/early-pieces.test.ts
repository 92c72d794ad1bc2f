import assert from 'node:assert/strict';
import type { Piece, PieceHeader } from '../../../protocols/pieces/messages.ts';
import { asPeerId, type RequestId } from '../../../src/core/ids.ts';
import { EarlyPieces, type EarlyLimits } from '../../../src/mesh/early-pieces.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const ALICE = asPeerId('alice');
const BOB = asPeerId('bob');
const LIMITS: EarlyLimits = { bytes: 40_000, bytesPerSender: 30_000, attempts: 4, ageMs: 1_000 };

const request = (n: number): RequestId => n.toString(16).padStart(32, '0') as RequestId;

function piece(requestNumber: number, byteLength: number, term = 1, attempt = 1): Piece {
  const region = [{ start: 0, end: byteLength }];
  const bytes = new Uint8Array(byteLength);
  return {
    requestId: request(requestNumber),
    term,
    attempt,
    block: 0,
    part: 0,
    tensor: 'x',
    type: 'uint8',
    region,
    bytes,
  };
}

const headerOf = ({ bytes, ...header }: Piece): PieceHeader => ({ ...header, byteLength: bytes.byteLength });

describe('mesh/early-pieces', () => {
  let clock: FakeClock;
  let early: EarlyPieces;

  beforeEach(() => {
    clock = new FakeClock();
    early = new EarlyPieces(clock, LIMITS);
  });

  /** As the network does: asks before memory is set aside, then hands the piece over. */
  function arrive(own: Piece, from = ALICE): boolean {
    const isAdmitted = early.admit(from, headerOf(own));
    if (isAdmitted) early.keep(from, own);
    return isAdmitted;
  }

  it('hands out what came before the plan, in the order it came, and counts it no more', () => {
    const pieces = [piece(1, 100), piece(1, 200), piece(1, 300)];
    for (const own of pieces) assert.ok(arrive(own));
    assert.ok(early.bytes > 600);
    assert.deepEqual(
      early.claim(pieces[0]!),
      pieces.map((own) => ({ from: ALICE, piece: own, arrivedMs: clock.now() })),
    );
    assert.equal(early.bytes, 0);
    assert.deepEqual(early.claim(pieces[0]!), []);
  });

  it("refuses what goes beyond a sender's share, and says that the attempt has missed it", () => {
    assert.ok(arrive(piece(1, 20_000)));
    assert.ok(!arrive(piece(1, 20_000)));
    assert.equal(early.claim(piece(1, 0)), 'missed');
  });

  it('leaves the others their share', () => {
    assert.ok(arrive(piece(1, 28_000), ALICE));
    assert.ok(!arrive(piece(2, 28_000), ALICE));
    assert.ok(arrive(piece(3, 8_000), BOB));
    assert.notEqual(early.claim(piece(3, 0)), 'missed');
  });

  it('never sets aside more than it may, whoever sends', () => {
    for (let sender = 0; sender < 50; sender++) {
      arrive(piece(sender, 7_000), asPeerId(`peer${sender}`));
      assert.ok(early.bytes <= LIMITS.bytes);
    }
  });

  it('counts many small pieces too', () => {
    const admitted = Array.from({ length: 1000 }, () => arrive(piece(1, 1))).filter(Boolean);
    assert.ok(admitted.length < LIMITS.bytesPerSender / 1000, `${admitted.length} admitted`);
  });

  it('makes room again when a piece that was admitted never comes', () => {
    assert.ok(early.admit(ALICE, headerOf(piece(1, 28_000))));
    assert.ok(!early.admit(ALICE, headerOf(piece(2, 28_000))));
    clock.advance(LIMITS.ageMs);
    assert.equal(early.bytes, 0);
    assert.equal(early.claim(piece(1, 0)), 'missed');
    assert.ok(early.admit(ALICE, headerOf(piece(3, 28_000))));
  });

  it('keeps pieces of the newest attempt at a request only', () => {
    arrive(piece(1, 100, 1, 1));
    assert.ok(arrive(piece(1, 200, 2, 1)));
    assert.ok(!arrive(piece(1, 300, 1, 2)), 'of a term that is over');
    assert.deepEqual(early.claim(piece(1, 0, 1, 2)), []);
    const kept = early.claim(piece(1, 0, 2, 1));
    assert.ok(kept !== 'missed' && kept.length === 1 && kept[0]!.piece.bytes.byteLength === 200);
  });

  it('does not hand a piece of one attempt to another', () => {
    arrive(piece(1, 100, 1, 1));
    assert.deepEqual(early.claim(piece(1, 0, 1, 2)), []);
    assert.equal(early.bytes, 0);
  });

  it('remembers a bounded number of attempts', () => {
    for (let n = 0; n < 100; n++) arrive(piece(n, 1));
    const claimed = Array.from({ length: 100 }, (_, n) => early.claim(piece(n, 0))).filter((own) => own.length > 0);
    assert.equal(claimed.length, LIMITS.attempts);
  });

  it('leaves no timer behind', () => {
    arrive(piece(1, 1));
    clock.advance(10 * LIMITS.ageMs);
    assert.equal(clock.pending, 0);
    arrive(piece(2, 1));
    early.stop();
    assert.equal(clock.pending, 0);
  });
});
