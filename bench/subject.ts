/** The model under measurement, and what its answers have to be. */
import type { Expected } from './ask.ts';
import { expectedAnswer } from './baseline/measure.ts';
import type { BenchContext } from './context.ts';
import { prepareModel, type BenchModel } from './model.ts';

export interface SubjectOptions {
  /** Of the zoo, or an ONNX file. */
  readonly model: string;
  /** `name=1,3,224,224` for each input whose size the model leaves open. */
  readonly shape: readonly string[];
}

export interface Subject {
  readonly model: BenchModel;
  readonly expected: Expected;
}

/** Imports the model, and runs the whole of it once. */
export async function prepareSubject(options: SubjectOptions, context: BenchContext): Promise<Subject> {
  context.progress(`importing ${options.model}`);
  const model = await prepareModel(options.model, `${context.folder}/model`, options.shape, context.signal);
  return { model, expected: await expectedAnswer(model, context) };
}
