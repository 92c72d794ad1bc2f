/**
 * One participant's share of one attempt at one request. Dataflow: a tile runs when its input regions are complete, and its
 * output goes straight to whoever needs it.
 */
import type { WeightFile } from '../../kernels/kernel.ts';
import { discardBytes } from '../../protocols/pieces/memory.ts';
import type { Piece } from '../../protocols/pieces/messages.ts';
import { MeshError, toMeshError } from '../core/errors.ts';
import { borrow, copyBox } from '../core/geometry/copy.ts';
import { equals, regionShape, wholeRegion, type Region } from '../core/geometry/region.ts';
import type { PeerId } from '../core/ids.ts';
import { ENTRY, taskKey, type TileTask, type Transfer } from '../core/plan/dataflow.ts';
import type { Program, WeightSlice } from '../core/program/program.ts';
import { ELEMENT_BYTES } from '../core/tensor/data-type.ts';
import { byteLength, strides, zeros, type Tensor } from '../core/tensor/tensor.ts';
import type { AttemptId } from './attempt-id.ts';
import type { ByteRange, Clock, ModelAccess, PieceChannel } from './ports.ts';
import type { PreparedPlan } from './preparation.ts';
import type { ProgramShelf } from './program-shelf.ts';
import type { Recording } from './recording.ts';
import { sendPiece } from './send-piece.ts';

/** What one tile cost. */
export interface TileReport {
  readonly block: number;
  readonly part: number;
  readonly computeMs: number;
  /** Bytes of input that came from other peers. */
  readonly haloBytes: number;
  readonly bytesToPeers: number;
  readonly bytesToEntry: number;
}

export interface ExecutionSetup {
  readonly id: AttemptId;
  readonly self: PeerId;
  /** Wants the outputs. */
  readonly entry: PeerId;
  readonly prepared: PreparedPlan;
  readonly shelf: ProgramShelf;
  readonly models: ModelAccess;
  readonly pieces: PieceChannel;
  readonly clock: Clock;
  readonly recording: Recording;
  readonly signal: AbortSignal;
  readonly onTile: (report: TileReport) => void;
}

/** The bytes of the weight blob that a slice lies in: its rows along the first axis. */
function byteRange({ type, shape, offset, region }: WeightSlice): ByteRange {
  const rowBytes = (strides(shape)[0] ?? 1) * ELEMENT_BYTES[type];
  const rows = region[0] ?? { start: 0, end: 1 };
  return { offset: offset + rows.start * rowBytes, length: (rows.end - rows.start) * rowBytes };
}

/** A tile that takes longer than this is taken to hang. */
const LONGEST_TILE_MS = 60_000;

/** A tile that waits for its inputs. */
interface Waiting {
  readonly task: TileTask;
  readonly feeds: Map<string, Tensor>;
  /** Pieces still to come. */
  readonly missing: Set<Transfer>;
  haloBytes: number;
}

export class Execution {
  readonly #setup: ExecutionSetup;
  readonly #tasks: readonly TileTask[];
  readonly #waiting = new Map<string, Waiting>();
  readonly #done: TileReport[] = [];
  readonly #programs = Promise.withResolvers<void>();
  #tilesLeft: number;
  #tilesAtWork = 0;
  #lastStartMs = 0;
  #giveBack = (): void => undefined;
  readonly #finished = Promise.withResolvers<readonly TileReport[]>();

  constructor(setup: ExecutionSetup) {
    this.#setup = setup;
    const me = setup.prepared.plan.participants.indexOf(setup.self);
    this.#tasks = setup.prepared.dataflow.tasks.filter((task) => task.participant === me);
    for (const task of this.#tasks) {
      const missing = new Set(task.needs);
      this.#waiting.set(taskKey(task.block, task.part), { task, feeds: new Map(), missing, haloBytes: 0 });
    }
    this.#tilesLeft = this.#tasks.length;
    // Nobody may be waiting yet when it fails.
    this.#finished.promise.catch(() => undefined);
    const cancel = (): void => this.#finished.reject(toMeshError(setup.signal.reason, 'CANCELLED'));
    if (setup.signal.aborted) cancel();
    else setup.signal.addEventListener('abort', cancel, { once: true });
  }

  /** Resolves when all tiles are computed and all pieces handed to the network. */
  get finished(): Promise<readonly TileReport[]> {
    return this.#finished.promise;
  }

  /** Whether a tile is being computed or its result is on its way to others. */
  get isComputing(): boolean {
    return this.#tilesAtWork > 0 && this.#setup.clock.now() - this.#lastStartMs < LONGEST_TILE_MS;
  }

  /** Weights and programs of all tiles; those whose inputs are here already then run. @throws MeshError of the model store and the kernel. */
  async prepare(onProgress: (completedBytes: number, totalBytes: number) => void): Promise<void> {
    const { shelf, models, prepared, signal } = this.#setup;
    const weightsFor = (programs: readonly Program[]): Promise<WeightFile | null> => {
      const ranges = programs.flatMap(({ weights }) => [...weights.values()].map(byteRange));
      return models.weights(prepared.plan.modelId, ranges, signal, onProgress);
    };
    const programs = this.#tasks.map(({ tile }) => tile.program);
    this.#giveBack = await shelf.take(programs, weightsFor, signal);
    this.#programs.resolve();
    if (this.#tilesLeft === 0) this.#finished.resolve([]);
  }

  /** Lets go of the programs. Call it once, when nothing is run any more. */
  release(): void {
    this.#giveBack();
    this.#giveBack = () => undefined;
  }

  /** Whether a piece with this address is still waited for. */
  wants(block: number, part: number, tensor: string, region: Region): boolean {
    const waiting = this.#waiting.get(taskKey(block, part));
    return waiting !== undefined && this.#needOf(waiting, tensor, region) !== undefined;
  }

  #needOf({ missing }: Waiting, tensor: string, region: Region): Transfer | undefined {
    for (const need of missing) {
      if (need.tensor === tensor && (need.region === null || equals(need.region, region))) return need;
    }
    return undefined;
  }

  /** Takes in a piece from another peer; one that nobody waits for is ignored. */
  accept(from: PeerId, piece: Piece, arrivedMs = this.#setup.clock.now()): void {
    const { self, id, recording } = this.#setup;
    const haloBytes = from === self ? 0 : piece.bytes.byteLength;
    try {
      const need = this.#take(piece, true, haloBytes);
      if (need !== undefined && from !== self) recording.received(id, need.index, haloBytes, arrivedMs);
    } catch (error) {
      this.#finished.reject(toMeshError(error));
    }
  }

  /**
   * @param isOwned whether nobody else reads the bytes, so that the kernel may have them.
   * @returns what was waited for; undefined where nothing was.
   */
  #take(piece: Omit<Piece, keyof AttemptId>, isOwned: boolean, haloBytes: number): Transfer | undefined {
    const key = taskKey(piece.block, piece.part);
    const waiting = this.#waiting.get(key);
    const need = waiting && this.#needOf(waiting, piece.tensor, piece.region);
    if (waiting === undefined || need === undefined || this.#setup.signal.aborted) return undefined;
    waiting.missing.delete(need);
    waiting.haloBytes += haloBytes;
    const region = waiting.task.tile.feeds.get(piece.tensor) ?? piece.region;
    let feed = waiting.feeds.get(piece.tensor);
    const shape = regionShape(region);
    const isAll = byteLength(piece.type, shape) === piece.bytes.byteLength;
    if (isAll && isOwned) feed = { type: piece.type, shape, bytes: piece.bytes };
    else {
      feed ??= zeros(piece.type, shape);
      copyBox(piece, { region, bytes: feed.bytes }, piece.region, ELEMENT_BYTES[piece.type]);
      if (isOwned) discardBytes(piece.bytes);
    }
    waiting.feeds.set(piece.tensor, feed);
    if (waiting.missing.size > 0) return need;
    this.#waiting.delete(key);
    this.#run(waiting).catch((error: unknown) => this.#finished.reject(toMeshError(error)));
    return need;
  }

  async #run({ task, feeds, haloBytes }: Waiting): Promise<void> {
    const { shelf, signal, onTile, clock, recording, id } = this.#setup;
    const readyMs = clock.now();
    await this.#programs.promise;
    this.#tilesAtWork += 1;
    this.#lastStartMs = clock.now();
    // Parameters belong to the plan, which outlives this run; the kernel takes over what it is given.
    const parameters = [...task.tile.parameters].map(
      ([name, value]) => [name, { ...value, bytes: value.bytes.slice() }] as const,
    );
    const run = await shelf.kernel.run(task.tile.program.key, new Map([...feeds, ...parameters]), signal);
    const endMs = clock.now();
    const { computeMs, lane = 0 } = run;
    const { block, part } = task;
    recording.computed(id, { block, part, lane, readyMs, startMs: Math.max(readyMs, endMs - computeMs), endMs });
    const sent = await this.#send(task, run.outputs);
    const report = { block, part, computeMs, haloBytes, ...sent };
    this.#done.push(report);
    this.#tilesAtWork -= 1;
    onTile(report);
    this.#tilesLeft -= 1;
    if (this.#tilesLeft === 0) this.#finished.resolve(this.#done);
  }

  async #send(
    task: TileTask,
    outputs: ReadonlyMap<string, Tensor>,
  ): Promise<{ readonly bytesToPeers: number; readonly bytesToEntry: number }> {
    const { prepared, self, entry } = this.#setup;
    const transfers = prepared.dataflow.sends.get(taskKey(task.block, task.part)) ?? [];
    let bytesToPeers = 0;
    let bytesToEntry = 0;
    let isKept = false;
    const local: (() => void)[] = [];
    const remote: Promise<void>[] = [];
    for (const transfer of transfers) {
      const piece = this.#piece(task, transfer, outputs);
      const to = transfer.to === ENTRY ? entry : prepared.plan.participants[transfer.to]!;
      if (to === self && transfer.to !== ENTRY) {
        local.push(() => this.#take(piece, false, 0));
        continue;
      }
      if (to === self) isKept = true;
      if (to !== self && transfer.to === ENTRY) bytesToEntry += piece.bytes.byteLength;
      else if (to !== self) bytesToPeers += piece.bytes.byteLength;
      const isCopy = piece.bytes.buffer !== outputs.get(piece.tensor)?.bytes.buffer;
      remote.push(this.#hand(to, transfer, piece, isCopy));
    }
    // What others wait for goes first; what stays here is taken in while it is on its way.
    for (const take of local) take();
    await Promise.all(remote);
    // An entry at this peer holds on to what it was handed.
    if (!isKept) for (const { bytes } of outputs.values()) discardBytes(bytes);
    return { bytesToPeers, bytesToEntry };
  }

  /** @param isCopy whether nobody else has its bytes. */
  async #hand(to: PeerId, { index }: Transfer, piece: Omit<Piece, keyof AttemptId>, isCopy: boolean): Promise<void> {
    const { self, id, pieces, signal, clock, recording } = this.#setup;
    const startMs = clock.now();
    await sendPiece(pieces, to, { ...id, ...piece }, signal);
    if (to === self) return;
    recording.sent(id, to, index, piece.bytes.byteLength, startMs);
    if (isCopy) discardBytes(piece.bytes);
  }

  #piece(
    task: TileTask,
    { tensor, region, block, part }: Transfer,
    outputs: ReadonlyMap<string, Tensor>,
  ): Omit<Piece, keyof AttemptId> {
    const output = outputs.get(tensor);
    if (output === undefined) throw new MeshError('KERNEL_FAILED', `the kernel returned no "${tensor}"`);
    const held = task.tile.outputs.get(tensor) ?? wholeRegion(output.shape);
    const wanted = region ?? held;
    // What the kernel returned is not written to again.
    const { bytes } = borrow(output.type, { region: held, bytes: output.bytes }, wanted);
    return { block, part, tensor, type: output.type, region: wanted, bytes };
  }
}
