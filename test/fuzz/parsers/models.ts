/** Files of models and what is asked of them: ONNX, manifests, arrays, series, texts, pictures. */
import { readFileSync } from 'node:fs';
import { CHUNK_BYTES } from '../../../models/chunks.ts';
import { decodeModel } from '../../../models/onnx/decode.ts';
import { encodeGraph } from '../../../models/onnx/encode.ts';
import { decodeManifest, encodeManifest } from '../../../models/manifest.ts';
import { imageTensor } from '../../../models/tasks/image.ts';
import { DIGIT_IMAGE, imagenetImage } from '../../../models/tasks/image-spec.ts';
import { readNpy, writeNpy } from '../../../models/tasks/npy.ts';
import { sniff } from '../../../models/tasks/payload.ts';
import { seriesTensor } from '../../../models/tasks/series.ts';
import { textTensor } from '../../../models/tasks/text.ts';
import { bindGraph, type InputSpec } from '../../../src/core/graph/bind.ts';
import type { Graph } from '../../../src/core/graph/graph.ts';
import { fromFloat32, fromInt64 } from '../../../src/core/tensor/tensor.ts';
import { buildGraph } from '../../property/random-graph.ts';
import { PICTURES } from '../../support/fake-peer.ts';
import type { Parser } from '../engine/parser.ts';
import { JSON_WORDS } from './samples.ts';

const MIB = 2 ** 20;
/** Sizes for dimensions that are left open. */
const OPEN = [1, 3, 48, 48];
const LENET = new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url);

function onnxFiles(): Uint8Array[] {
  const makers = ['conv', 'maxPool', 'resize', 'slice', 'pad', 'reshape', 'gemm', 'unknown'];
  const generated = [7, 11, 13, 18, 21].flatMap((opset, seed) => {
    const genes = makers.map((maker, index) => ({ maker, reads: 0, seed: seed * 100 + index }));
    const built = buildGraph({ opset, seed, genes });
    if (built === undefined) return [];
    const weights = (name: string): Uint8Array => {
      const { offset, shape } = built.graph.weights.get(name)!;
      return built.blob.slice(offset, offset + 4 * shape.reduce((product, extent) => product * extent, 1));
    };
    return [encodeGraph(built.graph, weights)];
  });
  return [new Uint8Array(readFileSync(LENET)), ...generated];
}

function specsOf(graph: Graph): ReadonlyMap<string, InputSpec> {
  return new Map(
    graph.inputs.map(({ name, type, dims }) => [
      name,
      { type, shape: dims.map((dim, axis) => (typeof dim === 'number' ? dim : (OPEN[axis] ?? 1))) },
    ]),
  );
}

/** 3 x 2 pixels as PNG, GIF and WebP. */
const PICTURE_FILES = [
  'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAMAAACqqpYoAAAAA1BMVEXIHgmVW31ZAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAC0lEQVQImWNggAAAAAgAAa9T6iIAAAAASUVORK5CYII=',
  'R0lGODlhAwACAIAAAExpccgeCSH5BAUAAAAALAAAAAADAAIAAAICjF8AOw==',
  'UklGRjIAAABXRUJQVlA4ICYAAABwAQCdASoDAAIAB0CWJaACdAFAAAD+5AF1xc2RFH8zfhR8nUAAAA==',
];
/** Beside them a camera's. */
const PHOTOGRAPH = new URL('../../unit/models/zoo/photographs/camera.jpg', import.meta.url);

export const MODELS: readonly Parser[] = [
  {
    name: 'onnx',
    seeds: onnxFiles,
    parse: (bytes) => {
      const { graph } = decodeModel(bytes);
      return bindGraph(graph, specsOf(graph));
    },
    refusals: ['INVALID_MODEL', 'INVALID_INPUT'],
    words: ['Conv', 'Constant', 'If', 'Loop', 'Reshape', 'Expand', 'ConstantOfShape', 'location', '../x', 'ai.onnx'],
    maxBytes: 256 * 1024,
    share: 0.1,
    ownBytes: 4 * MIB,
  },
  {
    name: 'manifest',
    seeds: () => [
      encodeManifest({
        schema: 'tilemesh.model/1',
        name: 'small-1.0',
        description: 'An example.',
        licence: 'CC0-1.0',
        source: 'a test',
        weights: 'seeded',
        task: PICTURES.task,
        graph: { digest: 'a'.repeat(64), byteLength: 100 },
        blob: { byteLength: CHUNK_BYTES + 1, chunkBytes: CHUNK_BYTES, chunkDigests: ['b'.repeat(64), 'c'.repeat(64)] },
      }),
    ],
    parse: (bytes) => decodeManifest(bytes),
    refusals: ['INVALID_MODEL'],
    words: JSON_WORDS,
  },
  {
    name: 'npy',
    seeds: () => [writeNpy(fromFloat32([2, 3], [1, 2, 3, 4, 5, 6])), writeNpy(fromInt64([2], [1, 2]))],
    parse: readNpy,
    refusals: ['INVALID_INPUT'],
    words: ["'descr'", "'shape'", "'fortran_order'", "'<f4'", "'>f8'", "'|b1'", '()', '(1,)', 'True', 'False'],
  },
  {
    name: 'series',
    seeds: () => ['day,value\nmon,2.5\ntue,3.5\n', '1\n2\n3\n'].map((text) => new TextEncoder().encode(text)),
    parse: (bytes) => seriesTensor({ kind: sniff(bytes) ?? 'text', bytes }, { context: 2, normalisation: 'window' }),
    refusals: ['INVALID_INPUT'],
    words: ['\r\n', ';', '\t', 'NaN', 'Infinity', '-0'],
  },
  {
    name: 'text',
    seeds: () => ['Grüße aus Köln', 'これは文です', 'a b'].map((text) => new TextEncoder().encode(text)),
    parse: (bytes) => textTensor(bytes, { normalisation: 'letters', vocabulary: 2048, minLength: 4, maxLength: 256 }),
    refusals: ['INVALID_INPUT'],
  },
  {
    name: 'picture',
    seeds: () => [
      ...PICTURE_FILES.map((base64) => new Uint8Array(Buffer.from(base64, 'base64'))),
      new Uint8Array(readFileSync(PHOTOGRAPH)),
    ],
    parse: async (bytes) => {
      if (sniff(bytes) !== 'image') return null;
      return [await imageTensor(bytes, DIGIT_IMAGE), await imageTensor(bytes, imagenetImage(8))];
    },
    refusals: ['INVALID_INPUT'],
    words: ['IHDR', 'IDAT', 'PLTE', 'tRNS', 'acTL', 'WEBP', 'VP8 ', 'ftypavif', 'Exif'],
    share: 0.01,
    // As many pixels as are taken, decoded in strips.
    ownBytes: 64 * MIB,
  },
];
