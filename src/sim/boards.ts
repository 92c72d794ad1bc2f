/**
 * Boards by name, from published figures. All are of VGG-16 (15.5 GMAC, one image of 224x224, float32) with ncnn, from
 * `benchmark/README.md` of github.com/Tencent/ncnn. Left out are boards whose figures there are of half precision.
 *
 * ncnn convolves by Winograd's method, ONNX Runtime does not: on one x86-64 core VGG-16 takes ncnn 122 ms and ONNX Runtime
 * 300 to 320 ms. That factor is used for boards, too. What comes out for the RK3399 is 68 % of what its two Cortex-A72 can
 * do at most (8 floating-point operations in a cycle of each, as measured at wlog.flatlib.jp/2015/10/30/n1787).
 */
import { overheadsOf, scaledOverheads, slownessOf, type Overheads } from '../core/cost/cost-model.ts';
import { MeshError } from '../core/errors.ts';
import { asPeerId } from '../core/ids.ts';
import type { BoardModel } from './board.ts';
import type { Quota } from './shared-cores.ts';

const VGG16_MACS = 15.47e9;
const NCNN_TO_ONNX_RUNTIME = 2.5;
const MEGABYTE = 1e6;

interface Published {
  /** VGG-16 with ncnn. */
  readonly vgg16Ms: number;
  /** Half of the board's memory, as peers allow themselves by default. */
  readonly memoryBudgetBytes: number;
  readonly source: string;
  /** How much slower than ncnn the kernels are. */
  readonly factor: number;
}

const RK3399 = 'Rockchip RK3399, 2 threads on the two Cortex-A72 at 1.8 GHz: 629 ms';

/** The kernels of a RockPro64 run on its two large cores: all six together take 581 ms, hardly less. */
export const PUBLISHED = {
  rockpro64: { vgg16Ms: 629.15, memoryBudgetBytes: 1000 * MEGABYTE, source: RK3399, factor: NCNN_TO_ONNX_RUNTIME },
  /** Were the mesh's kernels as good as ncnn's. */
  'rockpro64-winograd': { vgg16Ms: 629.15, memoryBudgetBytes: 1000 * MEGABYTE, source: RK3399, factor: 1 },
  raspberrypi4: {
    vgg16Ms: 547.09,
    memoryBudgetBytes: 2000 * MEGABYTE,
    source: 'Raspberry Pi 4 Model B, 4 threads on the four Cortex-A72 at 1.8 GHz: 547 ms',
    factor: NCNN_TO_ONNX_RUNTIME,
  },
} as const satisfies Record<string, Published>;

export type BoardName = keyof typeof PUBLISHED;

const isPublished = (name: string): name is BoardName => Object.hasOwn(PUBLISHED, name);

function publishedBoard(name: BoardName): BoardModel {
  const { vgg16Ms, memoryBudgetBytes, factor } = PUBLISHED[name];
  const macsPerSecond = VGG16_MACS / ((vgg16Ms / 1000) * factor);
  // Better kernels do not run JavaScript faster.
  const slowness = slownessOf(VGG16_MACS / ((vgg16Ms / 1000) * NCNN_TO_ONNX_RUNTIME));
  return {
    name,
    profile: { macsPerSecond, memoryBudgetBytes },
    kernelMacsPerSecond: macsPerSecond,
    lanes: 1,
    overheads: scaledOverheads(slowness),
    slowness,
  };
}

/** A board of which only the speed is known. */
export function plainBoard(macsPerSecond: number): BoardModel {
  return {
    name: `${(macsPerSecond / 1e9).toPrecision(3)} GMAC/s`,
    profile: { macsPerSecond, memoryBudgetBytes: 1000 * MEGABYTE },
    kernelMacsPerSecond: macsPerSecond,
    lanes: 1,
    overheads: overheadsOf({ peer: asPeerId(''), macsPerSecond, memoryBudgetBytes: 0 }),
    slowness: slownessOf(macsPerSecond),
  };
}

/** The scheduler of the emulating machine lets a thread run for at least a tick before it looks at its quota. */
const TICK_MS = 4;

/** So much processor time in each period, as the emulating machine really gives it. */
export const quotaOf = (share: number, sliceMs = TICK_MS): Quota => ({ sliceMs, periodMs: sliceMs / share });

/** The machine that boards are emulated on. */
export interface Machine {
  /** Of one kernel thread on a core that it has to itself. */
  readonly macsPerSecond: number;
  readonly cores: number;
  /** Measured there; those of the cost model where absent. */
  readonly overheads?: Partial<Overheads>;
  /** Shortest time that a thread runs before it is stalled. */
  readonly tickMs?: number;
}

/** A share of a core of a machine: it stalls when that is used up, and says of itself that it has that share of the speed. */
export function emulatedBoard(share: number, { macsPerSecond, overheads, tickMs }: Machine): BoardModel {
  const slowness = slownessOf(macsPerSecond);
  return {
    name: `${share.toPrecision(3)} of a core`,
    profile: { macsPerSecond: macsPerSecond * share, memoryBudgetBytes: 1000 * MEGABYTE },
    kernelMacsPerSecond: macsPerSecond,
    lanes: 1,
    overheads: { ...scaledOverheads(slowness), ...overheads },
    slowness,
    quota: quotaOf(share, tickMs),
  };
}

const invalid = (text: string): MeshError =>
  new MeshError(
    'INVALID_ARGUMENT',
    `there is no board "${text}": use ${Object.keys(PUBLISHED).join(', ')}, emulated:1/16, a number of GMAC/s, or several ` +
      'with their counts, as in rockpro64:20,raspberrypi4:4',
  );

/** What is said of emulated boards without the machine at hand. */
export type MachineOf = () => Machine;

/** `1/16` or `0.0625`, at most a core. */
function parseShare(text: string): number | undefined {
  const [, numerator, denominator = '1'] = /^(\d*\.?\d+)(?:\/(\d+))?$/.exec(text) ?? [];
  const share = Number(numerator) / Number(denominator);
  return share > 0 && share <= 1 ? share : undefined;
}

function parseKind(
  words: readonly string[],
  machine: MachineOf,
): { readonly model: BoardModel; readonly used: number } | undefined {
  const [name = '', second = ''] = words;
  if (isPublished(name)) return { model: publishedBoard(name), used: 1 };
  if (name === 'emulated') {
    const share = parseShare(second);
    return share === undefined ? undefined : { model: emulatedBoard(share, machine()), used: 2 };
  }
  const gmacs = Number(name);
  return /^\d*\.?\d+$/.test(name) && gmacs > 0 ? { model: plainBoard(gmacs * 1e9), used: 1 } : undefined;
}

/**
 * One model for each peer. A kind without a count is for all peers that the others leave.
 * @param text `rockpro64`, `rockpro64:20,raspberrypi4:4`, `emulated:1/16`, `12.5` (GMAC/s).
 * @throws MeshError INVALID_ARGUMENT.
 */
export function parseBoards(text: string, peers: number | undefined, machine: MachineOf): readonly BoardModel[] {
  const kinds = text.split(',').map((item) => {
    const words = item.trim().split(':');
    const kind = parseKind(words, machine);
    const [count, ...rest] = kind === undefined ? [] : words.slice(kind.used);
    if (kind === undefined || rest.length > 0 || (count !== undefined && !/^[1-9]\d{0,4}$/.test(count))) {
      throw invalid(item);
    }
    return { model: kind.model, count: count === undefined ? undefined : Number(count) };
  });
  const counted = kinds.reduce((sum, { count = 0 }) => sum + count, 0);
  const open = kinds.filter(({ count }) => count === undefined).length;
  const total = peers ?? (open > 0 ? counted + open : counted);
  if (open > 1 || (open === 0 ? counted !== total : counted >= total)) {
    throw new MeshError(
      'INVALID_ARGUMENT',
      `"${text}" does not say what ${total} boards are: give a count to each kind but one, as in rockpro64:20,raspberrypi4:4`,
    );
  }
  return kinds.flatMap(({ model, count }) => new Array<BoardModel>(count ?? total - counted).fill(model));
}
