/**
 * The entry's side of one attempt: hands the inputs straight to the tiles that read them, and puts the outputs together from
 * what the tiles that compute them send back. Neither passes through the coordinator.
 */
import { discardBytes } from '../../protocols/pieces/memory.ts';
import type { Piece, PieceHeader } from '../../protocols/pieces/messages.ts';
import { MeshError } from '../core/errors.ts';
import { extract } from '../core/geometry/copy.ts';
import { equals, wholeRegion } from '../core/geometry/region.ts';
import type { PeerId } from '../core/ids.ts';
import { ENTRY, ENTRY_KEY, type Transfer } from '../core/plan/dataflow.ts';
import type { Tensor } from '../core/tensor/tensor.ts';
import { Assembler } from './assembler.ts';
import type { AttemptId } from './attempt-id.ts';
import { isAt, TO_ENTRY } from './piece-address.ts';
import type { Clock, PieceChannel } from './ports.ts';
import type { PreparedPlan } from './preparation.ts';
import type { Recording } from './recording.ts';
import { sendPiece } from './send-piece.ts';

export interface HandoverParts {
  readonly id: AttemptId;
  readonly self: PeerId;
  readonly prepared: PreparedPlan;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly pieces: PieceChannel;
  readonly clock: Clock;
  readonly recording: Recording;
  readonly signal: AbortSignal;
}

export class Handover {
  readonly #parts: HandoverParts;
  readonly #outputs: Assembler;
  #bytesSent = 0;

  constructor(parts: HandoverParts) {
    this.#parts = parts;
    const { bound, dataflow } = parts.prepared;
    // An input that is an output too is here already.
    const computed = dataflow.outputs.filter(({ from }) => from !== ENTRY);
    const expected = computed.map(({ tensor }) => {
      const spec = { type: bound.types.get(tensor)!, shape: bound.shapes.get(tensor) };
      return [tensor, spec] as const;
    });
    this.#outputs = new Assembler(new Map(expected));
  }

  get id(): AttemptId {
    return this.#parts.id;
  }

  get prepared(): PreparedPlan {
    return this.#parts.prepared;
  }

  /** Bytes of the inputs that went to other peers. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Resolves when all inputs have been handed to the network. @throws MeshError as `sendPiece`. */
  async send(): Promise<void> {
    const transfers = this.#parts.prepared.dataflow.sends.get(ENTRY_KEY) ?? [];
    await Promise.all(transfers.map((transfer) => this.#sendOne(transfer)));
  }

  async #sendOne({ index, tensor, region, to, block, part }: Transfer): Promise<void> {
    const { id, self, prepared, inputs, pieces, clock, recording, signal } = this.#parts;
    const peer = prepared.plan.participants[to];
    const input = inputs.get(tensor);
    if (to === ENTRY || peer === undefined) return;
    if (input === undefined) throw new MeshError('INVALID_MESSAGE', `the plan reads "${tensor}", which is no input`);
    const wanted = region ?? wholeRegion(input.shape);
    const full = wholeRegion(input.shape);
    // Elements of texts have no size by which they could be cut out.
    const { bytes } = equals(wanted, full) ? input : extract(input.type, { region: full, bytes: input.bytes }, wanted);
    if (peer !== self) this.#bytesSent += bytes.byteLength;
    // The kernel takes over what it is fed, and a later attempt needs the input again.
    const own = peer === self && bytes === input.bytes ? bytes.slice() : bytes;
    const startMs = clock.now();
    await sendPiece(pieces, peer, { ...id, block, part, tensor, type: input.type, region: wanted, bytes: own }, signal);
    if (peer === self) return;
    recording.sent(id, peer, index, bytes.byteLength, startMs);
    if (bytes.buffer !== input.bytes.buffer) discardBytes(bytes);
  }

  admits(from: PeerId, { term, attempt, tensor, ...address }: PieceHeader): boolean {
    const { id, prepared } = this.#parts;
    return (
      isAt(TO_ENTRY, address) &&
      term === id.term &&
      attempt === id.attempt &&
      prepared.plan.participants.includes(from) &&
      this.#outputs.expects(tensor)
    );
  }

  /** Takes in a piece that was admitted. @throws MeshError INVALID_MESSAGE for one that does not fit. */
  add(from: PeerId, piece: Piece): void {
    this.#outputs.add(piece);
    const { id, self, prepared, recording } = this.#parts;
    if (from === self) return;
    const transfer = prepared.dataflow.outputs.find(
      ({ tensor, region, from: maker }) =>
        tensor === piece.tensor &&
        prepared.plan.participants[maker] === from &&
        (region === null || equals(region, piece.region)),
    );
    if (transfer !== undefined) recording.received(id, transfer.index, piece.bytes.byteLength);
  }

  get isComplete(): boolean {
    return this.#outputs.isComplete;
  }

  /** All outputs: those computed, and those that are constants or inputs of the network. @throws MeshError INTERNAL. */
  outputs(): Map<string, Tensor> {
    const { prepared, inputs } = this.#parts;
    const { graph, constants } = prepared.bound;
    const computed = this.#outputs.result();
    return new Map(
      graph.outputs.map(({ name }) => {
        const value = computed.get(name) ?? constants.get(name) ?? inputs.get(name);
        if (value === undefined) throw new MeshError('INTERNAL', `nothing computed output "${name}"`);
        return [name, value];
      }),
    );
  }
}
