/** `tilemesh run`: one request, its answer, and who computed it. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProgressListener } from '../../api/port.ts';
import { MeshError } from '../../core/errors.ts';
import { makeFolder } from '../../mesh/make-folder.ts';
import { parseApiUrls } from '../client.ts';
import { UsageError } from '../exit.ts';
import { readInputOrText } from '../input-file.ts';
import { progressLine } from '../progress.ts';
import { renderAnswer, renderReport } from '../render-run.ts';
import { postPayload } from '../run-payload.ts';
import type { RunRequest, RunResult } from '../run-request.ts';
import { runTensors } from '../run-tensors.ts';
import { writeJson, type Terminal } from '../terminal.ts';

export interface RunOptions {
  readonly api: string;
  /** `auto` or a number. */
  readonly parallelism: string;
  /** `all` or `share`. */
  readonly verify: string;
  /** `name=file.npy`, for networks of several inputs. */
  readonly input: readonly string[];
  readonly output?: string;
  readonly json?: true;
  /** Seconds. */
  readonly deadline?: number;
}

/** Longest a request may take when the user sets no deadline. */
const DEFAULT_DEADLINE_MS = 10 * 60_000;
/** The peer is given its deadline; the client waits a little longer for the peer's own words. */
const GRACE_MS = 5_000;

export async function runCommand(
  terminal: Terminal,
  model: string,
  input: string | undefined,
  options: RunOptions,
): Promise<void> {
  if ((input === undefined) === (options.input.length === 0)) {
    throw new UsageError(
      'give one INPUT (a picture, a text, a series or a .npy file), or --input NAME=FILE.npy for each input',
    );
  }
  const deadlineMs = options.deadline === undefined ? DEFAULT_DEADLINE_MS : Math.ceil(options.deadline * 1000);
  const signal = AbortSignal.any([terminal.interrupted, AbortSignal.timeout(deadlineMs + GRACE_MS)]);
  const request = {
    urls: parseApiUrls(options.api),
    model,
    requestId: randomBytes(16).toString('hex'),
    parallelism: options.parallelism,
    verify: options.verify,
    deadlineMs,
    wantsTensors: options.output !== undefined,
    signal,
  };
  const progress = progressLine(terminal);
  let result: RunResult;
  try {
    result =
      input === undefined
        ? await runTensors(request, options.input)
        : await runPayload(request, input, progress.update);
  } finally {
    progress.clear();
  }
  if (options.output !== undefined) await writeOutputs(options.output, result);
  const { outputs: _outputs, ...document } = result;
  if (options.json) {
    writeJson(terminal, 'run/1', { model, ...document });
    return;
  }
  terminal.out(renderAnswer(terminal, result.answer, result.weights));
  if (result.report !== undefined) terminal.out(`\n${renderReport(terminal, result.report)}`);
}

async function runPayload(request: RunRequest, input: string, onProgress: ProgressListener): Promise<RunResult> {
  const { bytes: body, isLiteral } = await readInputOrText(input);
  try {
    return await postPayload(request, body, onProgress);
  } catch (error) {
    throw isLiteral ? unlessMissing(input, error) : error;
  }
}

/** Words that the model has no use for were meant as the name of a file. */
function unlessMissing(input: string, error: unknown): unknown {
  const isRefused = error instanceof MeshError && ['UNSUPPORTED_MEDIA', 'INVALID_INPUT'].includes(error.code);
  if (!isRefused) return error;
  return new MeshError('NOT_FOUND', `there is no file "${input}" that can be read, and as a text: ${error.message}`, {
    cause: error,
  });
}

/** One .npy file for each output, named after it. */
async function writeOutputs(folder: string, result: RunResult): Promise<void> {
  try {
    await makeFolder(folder);
    for (const [index, { name, npy }] of (result.outputs ?? []).entries()) {
      const safe = name
        .replaceAll(/[^A-Za-z0-9._-]/g, '_')
        .replace(/^\.+/, '')
        .slice(0, 100);
      await writeFile(join(folder, `${safe === '' ? `output-${index}` : safe}.npy`), Buffer.from(npy, 'base64'));
    }
  } catch (cause) {
    throw new MeshError('STORAGE_FAILED', `the outputs cannot be written to "${folder}": choose another --output`, {
      cause,
    });
  }
}
