/** `tilemesh verify`: whether a model gives the same answer cut as whole, found out on this machine without any peer. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPackage, type ModelPackage } from '../../../models/package.ts';
import type { Kernel, WeightFile } from '../../../kernels/kernel.ts';
import { openKernel } from '../../../kernels/open.ts';
import { MeshError } from '../../core/errors.ts';
import { verifyModel, type VerifyReport } from '../../verify/verify.ts';
import { progressLine } from '../progress.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { clean, formatPercent, table } from '../text.ts';
import { verifyInputs } from '../verify-inputs.ts';

export interface VerifyOptions {
  readonly inputs?: string;
  readonly parts: readonly number[];
  readonly shape: readonly string[];
  readonly seed?: number;
  readonly json?: true;
}

const MAX_WARNING = 2000;

/** Longest that all cuts together may take. */
const VERIFY_MS = 6 * 60 * 60_000;

const openAnyKernel = (warn: (message: string) => void): Promise<Kernel> =>
  openKernel({ name: 'auto', lanes: 1, threadsPerLane: 1 }, warn);

/** @throws MeshError INTERNAL where a cut answers otherwise than the whole, after the report is written. */
export async function verifyCommand(
  terminal: Terminal,
  file: string,
  options: VerifyOptions,
  createKernel: (warn: (message: string) => void) => Promise<Kernel> = openAnyKernel,
): Promise<void> {
  const source = await readPackage(file);
  const signal = AbortSignal.any([terminal.interrupted, AbortSignal.timeout(VERIFY_MS)]);
  const { inputs, note } = await verifyInputs(source.graph, options);
  if (note !== undefined) terminal.err(`${note}\n`);
  const warn = (message: string): void => terminal.err(`${clean(message, MAX_WARNING)}\n`);
  const kernel = await createKernel(warn);
  const folder = await mkdtemp(join(tmpdir(), 'tilemesh-verify-'));
  const progress = progressLine(terminal);
  try {
    const weights = await writeWeights(source, join(folder, 'weights.bin'));
    const onProgress = (done: number, total: number): void => progress.update('cutting', done, total);
    const { graph } = source;
    const report = await verifyModel({ graph, weights, kernel, inputs, parts: options.parts, signal, onProgress });
    progress.clear();
    if (options.json) writeJson(terminal, 'verify/1', report);
    else terminal.out(describeReport(terminal, report));
    refuseMismatch(report);
  } finally {
    progress.clear();
    await kernel.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeWeights(source: ModelPackage, path: string): Promise<WeightFile | null> {
  const { graph } = source;
  if (graph.weights.size === 0) return null;
  const file = await open(path, 'w');
  try {
    for (const [name, { offset }] of graph.weights) {
      let position = offset;
      for await (const piece of source.weightPieces(name)) {
        await file.write(piece, 0, piece.byteLength, position);
        position += piece.byteLength;
      }
    }
  } finally {
    await file.close();
  }
  return { path };
}

function describeReport(terminal: Terminal, report: VerifyReport): string {
  const rows = report.cuts.map((cut) => [
    cut.axis,
    String(cut.parts),
    `${cut.cutBlocks} of ${cut.allBlocks}${cut.blocks === 'planned' ? '' : `, ${cut.blocks}`}`,
    formatPercent(cut.share),
    cut.maxAbs === 0 ? 'identical' : `${cut.maxAbs.toExponential(1)} (${cut.maxRel.toExponential(1)} of the largest)`,
    cut.equal ? 'equal' : 'DIFFERENT',
  ]);
  const columns = ['cut', 'parts', 'blocks cut', 'work cut', 'difference', 'answer'].map((title) => ({ title }));
  const lines = [
    rows.length === 0
      ? 'nothing in this model can be cut: it runs whole on one peer\n'
      : table(terminal, columns, rows),
    `${formatPercent(report.coverage)} of the work can be cut; blocks may end in ${report.blocks} places\n`,
    `equal: off by at most ${report.tolerance.relative.toExponential(0)} of the largest value, or by ${report.tolerance.absolute.toExponential(0)}\n`,
    ...report.whole.map(({ operator, node, reason }) => `runs whole: ${clean(operator)} "${clean(node)}": ${reason}\n`),
  ];
  return lines.join('');
}

function refuseMismatch(report: VerifyReport): void {
  const wrong = report.cuts.filter((cut) => !cut.equal);
  if (wrong.length === 0) return;
  const names = wrong.map((cut) => `${cut.axis} (${cut.parts} parts, ${cut.blocks})`).join(', ');
  throw new MeshError('INTERNAL', `cut, this model answers otherwise than whole: ${names}; report it with the model`);
}
