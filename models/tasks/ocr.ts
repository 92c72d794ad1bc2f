/**
 * Reads a page with three networks: one finds the boxes of text, one tells those that stand on their head, one reads each.
 * The steps of PP-OCR (Du et al., "PP-OCR: a practical ultra lightweight OCR system", 2020).
 */
import { MeshError } from '../../src/core/errors.ts';
import type { ValueInfo } from '../../src/core/graph/graph.ts';
import { numberValues, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { Answer, TextBox, TextLine } from './answer.ts';
import { openPage, type Page } from './crop.ts';
import { postprocess, preprocess } from './process.ts';
import type { TaskKind, TaskSpec } from './task.ts';

/** The models of the pipeline `ocr`, by what they are called in the mesh, and the tasks they are imported with. */
export const OCR_MODELS = {
  'ocr-detection': { preset: 'ppocr-detection', kind: 'text-detection' },
  'ocr-angle': { preset: 'ppocr-angle', kind: 'image-classification' },
  'ocr-recognition': { preset: 'ppocr-recognition', kind: 'text-recognition' },
} as const satisfies Record<string, { readonly preset: string; readonly kind: TaskKind }>;

export type OcrModel = keyof typeof OCR_MODELS;

/** What reading a page needs of the mesh. */
export interface OcrMesh {
  taskOf(model: OcrModel): Promise<{ readonly task: TaskSpec; readonly inputs: readonly ValueInfo[] }>;
  /** @param step names the request among those of one page, the same each time the page is read. */
  infer(model: OcrModel, step: string, inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>>;
  /** Told of lines read, out of all. */
  onProgress(completed: number, total: number): void;
}

/** Boxes whose angle is found in one request. */
const ANGLE_BATCH = 32;
/** Lines read at the same time. */
const LINES_AT_ONCE = 4;
/** A box is turned over when it is as likely as this to stand on its head. */
const MIN_UPSIDE_DOWN = 0.9;
/** Class of the angle network. */
const UPSIDE_DOWN = 1;

/**
 * The lines of a page from the top, with where they stand. Boxes in which nothing is read are left out.
 * @throws MeshError INVALID_INPUT, INVALID_MODEL when a model of that name is for something else, and what `mesh` throws.
 */
export async function readPage(bytes: Uint8Array, mesh: OcrMesh): Promise<Answer> {
  const boxes = await findBoxes(bytes, mesh);
  if (boxes.length === 0) return { kind: 'text', lines: [] };
  const page = await openPage(bytes);
  const isUpsideDown = await findUpsideDown(page, boxes, mesh);
  let completed = 0;
  const lines = await mapAtMost(LINES_AT_ONCE, boxes, async (box, index) => {
    const line = await readLine(await page.cut(box.points, isUpsideDown[index]!), index, mesh);
    mesh.onProgress(++completed, boxes.length);
    return { ...line, points: box.points };
  });
  return { kind: 'text', lines: lines.filter(({ text }) => text.trim() !== '') };
}

async function findBoxes(bytes: Uint8Array, mesh: OcrMesh): Promise<readonly TextBox[]> {
  const { task, inputs } = await taskOf(mesh, 'ocr-detection');
  const prepared = await preprocess(task, { kind: 'image', bytes }, inputs);
  const outputs = await mesh.infer('ocr-detection', 'detection', prepared.inputs);
  const answer = postprocess(task, outputs, prepared.context);
  return answer.kind === 'boxes' ? answer.boxes : [];
}

async function findUpsideDown(page: Page, boxes: readonly TextBox[], mesh: OcrMesh): Promise<readonly boolean[]> {
  const { task, inputs } = await taskOf(mesh, 'ocr-angle');
  if (task.kind !== 'image-classification') return boxes.map(() => false);
  const found: boolean[] = [];
  for (let start = 0; start < boxes.length; start += ANGLE_BATCH) {
    const pictures: Tensor[] = [];
    for (const { points } of boxes.slice(start, start + ANGLE_BATCH)) {
      const bytes = await page.cut(points, false);
      pictures.push((await preprocess(task, { kind: 'image', bytes }, inputs)).inputs.get(task.input)!);
    }
    const outputs = await mesh.infer('ocr-angle', `angle ${start}`, new Map([[task.input, stacked(pictures)]]));
    const scores = outputs.get(task.output);
    const classes = scores?.shape.at(-1) ?? 0;
    const values = scores === undefined ? [] : numberValues(scores);
    for (const index of pictures.keys()) {
      found.push((values[index * classes + UPSIDE_DOWN] ?? 0) >= MIN_UPSIDE_DOWN);
    }
  }
  return found;
}

async function readLine(bytes: Uint8Array, index: number, mesh: OcrMesh): Promise<TextLine> {
  const { task, inputs } = await taskOf(mesh, 'ocr-recognition');
  const prepared = await preprocess(task, { kind: 'image', bytes }, inputs);
  const outputs = await mesh.infer('ocr-recognition', `line ${index}`, prepared.inputs);
  const answer = postprocess(task, outputs, prepared.context);
  return (answer.kind === 'text' ? answer.lines[0] : undefined) ?? { text: '', confidence: 0 };
}

async function taskOf(mesh: OcrMesh, model: OcrModel): ReturnType<OcrMesh['taskOf']> {
  const found = await mesh.taskOf(model);
  const { kind, preset } = OCR_MODELS[model];
  if (found.task.kind === kind) return found;
  throw new MeshError(
    'INVALID_MODEL',
    `the model "${model}" is for ${found.task.kind}, and reading pages needs one for ${kind}: import it with "tilemesh import FILE.onnx --name ${model} --task ${preset}"`,
  );
}

/** Pictures of one size and type, [1, ...] each, as [count, ...]. */
function stacked(pictures: readonly Tensor[]): Tensor {
  const [{ type, shape }] = pictures as [Tensor];
  const bytes = new Uint8Array(Buffer.concat(pictures.map((picture) => picture.bytes)));
  return { type, shape: [pictures.length, ...shape.slice(1)], bytes };
}

/** Results in order; at most `limit` at work. The first failure is the whole's, and nothing new begins after it. */
async function mapAtMost<Item, Result>(
  limit: number,
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    for (const [index, item] of queue) {
      if (hasFailed) return;
      try {
        results[index] = await work(item, index);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  return results;
}
