import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Uint8ArrayList } from 'uint8arraylist';
import { CHUNK_BYTES, FOR_ASSEMBLER } from '../../../protocols/pieces/constants.ts';
import { decodeCredit, encodeCredit, encodePiece } from '../../../protocols/pieces/frame.ts';
import type { Piece, PieceHeader } from '../../../protocols/pieces/messages.ts';
import { Reassembly, type Budget } from '../../../protocols/pieces/reassembly.ts';
import { pieces, type PiecesService } from '../../../protocols/pieces/service.ts';
import { MeshError, type ErrorCode } from '../../../src/core/errors.ts';
import { regionShape, volume, type Region } from '../../../src/core/geometry/region.ts';
import type { PeerId, RequestId } from '../../../src/core/ids.ts';
import { ELEMENT_BYTES, type DataType } from '../../../src/core/tensor/data-type.ts';
import { Collector, memoryNetwork, type MemoryNetwork } from './memory-network.ts';

const REQUEST_ID = '00112233445566778899aabbccddeeff' as RequestId;

/** A piece whose bytes differ from place to place and from seed to seed. */
function pieceOf(byteLength: number, fields: Partial<Piece> = {}, seed = 1): Piece {
  const bytes = new Uint8Array(byteLength);
  for (let index = 0, state = seed; index < byteLength; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  const region: Region = [
    { start: 0, end: 1 },
    { start: 5, end: 5 + byteLength },
  ];
  const header = {
    requestId: REQUEST_ID,
    term: 1,
    attempt: 1,
    block: 2,
    part: 3,
    tensor: 'conv1',
    type: 'uint8',
  } as const;
  return { ...header, region, bytes, ...fields };
}

const axis = fc
  .tuple(fc.nat(0xffff), fc.nat(5))
  .map(([start, extent]): Region[number] => ({ start, end: start + extent }));
const anyPiece: fc.Arbitrary<Piece> = fc
  .record({
    requestId: fc.constant(REQUEST_ID),
    term: fc.integer({ min: 1, max: 0xffff_ffff }),
    attempt: fc.integer({ min: 1, max: 0xffff_ffff }),
    block: fc.oneof(fc.nat(), fc.constant(FOR_ASSEMBLER)),
    part: fc.nat(),
    tensor: fc.string({ unit: 'grapheme', maxLength: 60 }),
    type: fc.constantFrom(...(Object.keys(ELEMENT_BYTES) as DataType[]).filter((type) => type !== 'string')),
    region: fc.array(axis, { maxLength: 4 }),
  })
  .map((header) => ({ ...header, ...pick(pieceOf(volume(header.region) * ELEMENT_BYTES[header.type])) }));
const pick = ({ bytes }: Piece): { bytes: Uint8Array } => ({ bytes });

const admitAll = (): boolean => true;
const isInvalid = (error: unknown): boolean => error instanceof MeshError && error.code === 'INVALID_MESSAGE';
const withCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    error instanceof MeshError && error.code === code;

/** A reassembly that is handed whole frames, and says what came of each. */
class Assembly {
  readonly #reassembly: Reassembly;
  #outcome: Piece | 'dropped' | undefined;

  constructor(admit: (header: PieceHeader) => boolean, budget: Budget) {
    const onPiece = (piece: Piece | 'dropped'): void => void (this.#outcome = piece);
    this.#reassembly = new Reassembly({ admit, onPiece, onConsumed: () => undefined }, budget);
  }

  take(frame: Uint8ArrayList): Piece | 'dropped' | undefined {
    this.#outcome = undefined;
    this.#reassembly.begin(frame.byteLength);
    for (const part of frame) this.#reassembly.push(part);
    this.#reassembly.end();
    return this.#outcome;
  }

  abandon(): void {
    this.#reassembly.abandon();
  }
}

/** The frame as it may arrive: cut into several views. */
function fragmented(frame: Uint8ArrayList, every: number): Uint8ArrayList {
  const bytes = frame.slice();
  const parts = new Uint8ArrayList();
  for (let at = 0; at < bytes.byteLength; at += every) parts.append(bytes.subarray(at, at + every));
  return parts;
}

describe('protocols/pieces/frame', () => {
  it('puts any piece together again as it was', () => {
    fc.assert(
      fc.property(anyPiece, fc.integer({ min: 1, max: 500 }), (piece, every) => {
        const reassembly = new Assembly(admitAll, { free: 2 ** 30 });
        const [whole, ...rest] = [...encodePiece(piece)].map((frame) => reassembly.take(fragmented(frame, every)));
        assert.deepEqual(rest, []);
        assert.deepEqual(whole, piece);
      }),
    );
  });

  it('refuses a frame with any byte altered', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (position, difference) => {
        const [frame] = encodePiece(pieceOf(300));
        const bytes = frame!.slice();
        bytes[position % bytes.byteLength]! ^= difference;
        const reassembly = new Assembly(admitAll, { free: 2 ** 30 });
        assert.throws(() => reassembly.take(new Uint8ArrayList(bytes)), isInvalid);
      }),
    );
  });

  it('refuses arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const reassembly = new Assembly(admitAll, { free: 2 ** 30 });
        assert.throws(() => reassembly.take(new Uint8ArrayList(bytes)), isInvalid);
        assert.throws(() => decodeCredit(bytes), isInvalid);
      }),
    );
  });

  it('refuses chunks out of order, repeated, or of another piece', () => {
    const [first, second] = [...encodePiece(pieceOf(2 * CHUNK_BYTES + 10))];
    const [, stranger] = [...encodePiece(pieceOf(2 * CHUNK_BYTES + 10, { part: 4 }))];
    for (const frames of [[second], [first, second, second], [first, stranger]]) {
      const reassembly = new Assembly(admitAll, { free: 2 ** 30 });
      const last = frames.pop()!;
      for (const frame of frames) reassembly.take(frame!);
      assert.throws(() => reassembly.take(last), isInvalid);
    }
  });

  it('sets memory aside only for what is admitted and within the budget, and gives it back', () => {
    const budget = { free: CHUNK_BYTES * 2 };
    const seen: PieceHeader[] = [];
    const reassembly = new Assembly((header) => seen.push(header) > 1, budget);
    const frames = [...encodePiece(pieceOf(CHUNK_BYTES + 1))];
    assert.deepEqual(
      frames.map((frame) => reassembly.take(frame)),
      [undefined, 'dropped'],
    );
    assert.equal(reassembly.take(frames[0]!), undefined);
    assert.equal(budget.free, CHUNK_BYTES - 1);
    const another = new Assembly(admitAll, budget);
    assert.deepEqual(
      frames.map((frame) => another.take(frame)),
      [undefined, 'dropped'],
    );
    reassembly.abandon();
    assert.equal(budget.free, CHUNK_BYTES * 2);
    assert.equal(seen[0]?.byteLength, CHUNK_BYTES + 1);
  });

  it('begins anew when a sender gave up in the middle', () => {
    const budget = { free: 2 ** 30 };
    const reassembly = new Assembly(admitAll, budget);
    reassembly.take([...encodePiece(pieceOf(CHUNK_BYTES + 1))][0]!);
    const piece = pieceOf(10);
    assert.deepEqual(reassembly.take([...encodePiece(piece)][0]!), piece);
    assert.equal(budget.free, 2 ** 30);
  });

  it('gives each piece memory of its own, aligned for any element type', () => {
    const reassembly = new Assembly(admitAll, { free: 2 ** 30 });
    const piece = reassembly.take([...encodePiece(pieceOf(24))][0]!) as Piece;
    assert.equal(piece.bytes.byteOffset, 0);
    assert.equal(piece.bytes.buffer.byteLength, 24);
  });

  it('carries credit', () => {
    assert.equal(decodeCredit(encodeCredit(123_456)), 123_456);
  });
});

interface End {
  readonly id: PeerId;
  readonly service: PiecesService;
  readonly received: Collector<Piece>;
  readonly violations: Collector<MeshError>;
}

async function open(network: MemoryNetwork): Promise<End[]> {
  return Promise.all(
    network.peers.map(async ({ id, components }) => {
      const service = pieces()(components);
      const received = new Collector<Piece>();
      const violations = new Collector<MeshError>();
      service.onPiece((_, piece) => received.add(piece));
      service.onViolation((_, error) => violations.add(error));
      await service.start();
      return { id, service, received, violations };
    }),
  );
}

describe('protocols/pieces/service', () => {
  it('delivers pieces of all sizes whole and in order, and counts them', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    const sent = [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES].map((size, part) =>
      pieceOf(size, { part }, part),
    );
    await Promise.all(sent.map((piece) => a.service.send(b.id, piece)));
    assert.deepEqual(await b.received.next(sent.length), sent);
    const bytes = sent.reduce((sum, piece) => sum + piece.bytes.byteLength, 0);
    assert.deepEqual(a.service.traffic().get(b.id), {
      piecesSent: 5,
      bytesSent: bytes,
      piecesReceived: 0,
      bytesReceived: 0,
      piecesDropped: 0,
    });
    assert.equal(b.service.traffic().get(a.id)?.bytesReceived, bytes);
  });

  it('sends more than the window, as credit comes back', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    const piece = pieceOf(20 * 1024 * 1024);
    await a.service.send(b.id, piece);
    const [received] = await b.received.next(1);
    assert.equal(Buffer.compare(received!.bytes, piece.bytes), 0);
  });

  it('delivers to itself without copying, if it is admitted', async () => {
    const network = await memoryNetwork(1);
    const [a] = (await open(network)) as [End];
    const piece = pieceOf(100);
    await a.service.send(a.id, piece);
    assert.equal((await a.received.next(1))[0], piece);
    a.service.admit = () => false;
    await a.service.send(a.id, piece);
    assert.equal(a.service.traffic().get(a.id)?.piecesDropped, 1);
  });

  it('drops what is not admitted and goes on', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    b.service.admit = (from, header) => from === a.id && header.term === 2;
    const stale = pieceOf(9 * 1024 * 1024);
    const current = pieceOf(100, { term: 2 });
    await Promise.all([a.service.send(b.id, stale), a.service.send(b.id, current)]);
    assert.deepEqual(await b.received.next(1), [current]);
    assert.equal(b.service.traffic().get(a.id)?.piecesDropped, 1);
  });

  it('stops in the middle of a cancelled piece and delivers the next', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    const controller = new AbortController();
    let chunks = 0;
    const big = pieceOf(4 * CHUNK_BYTES);
    b.service.admit = () => {
      if (chunks++ === 0) controller.abort();
      return true;
    };
    const sending = assert.rejects(a.service.send(b.id, big, controller.signal), withCode('CANCELLED'));
    const next = pieceOf(10);
    await Promise.all([sending, a.service.send(b.id, next)]);
    assert.deepEqual(await b.received.next(1), [next]);
    assert.equal(network.peers[0]!.opened.length, 1);
  });

  it('reports who sends garbage and fails what was under way with PEER_LOST', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    await a.service.send(b.id, pieceOf(1));
    await b.received.next(1);
    network.peers[0]!.opened[0]!.send(Uint8Array.of(3, 1, 2, 3));
    await assert.rejects(a.service.send(b.id, pieceOf(20 * CHUNK_BYTES)), withCode('PEER_LOST'));
    assert.equal((await b.violations.next(1))[0]?.code, 'INVALID_MESSAGE');
    await a.service.send(b.id, pieceOf(2));
    assert.equal((await b.received.next(2))[1]?.bytes.byteLength, 2);
  });

  it('refuses pieces that do not fill their region before sending anything', async () => {
    const network = await memoryNetwork(2);
    const [a, b] = (await open(network)) as [End, End];
    const wrong = { ...pieceOf(10), bytes: new Uint8Array(11) };
    await assert.rejects(a.service.send(b.id, wrong), withCode('INVALID_ARGUMENT'));
    assert.deepEqual(regionShape(wrong.region), [1, 10]);
    assert.equal(network.peers[0]!.opened.length, 0);
  });
});
