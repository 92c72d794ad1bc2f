/**
 * The networks that come with tilemesh, by name: what an import needs of each. LeNet-5 is trained here; of the others
 * the architecture is the published one and the weights are generated. Trained weights come in through `tilemesh import`.
 */
import { fileURLToPath } from 'node:url';
import type { Graph } from '../../src/core/graph/graph.ts';
import type { WeightOrigin } from '../manifest.ts';
import { readPackage, type ModelPackage } from '../package.ts';
import { DIGIT_IMAGE, imagenetImage } from '../tasks/image-spec.ts';
import type { ImageClassificationTask, TaskSpec } from '../tasks/task.ts';
import { alexnetGraph } from './alexnet/network.ts';
import { seededPackage } from './seeded.ts';
import { vggGraph } from './vgg/network.ts';

export interface ZooEntry {
  readonly name: string;
  readonly description: string;
  /** Of the weights, as an SPDX expression. */
  readonly licence: string;
  readonly source: string;
  readonly weights: WeightOrigin;
  readonly task: TaskSpec;
  /** Built or read anew by each call. */
  open(): Promise<ModelPackage>;
}

/** All generated weights start from this seed; each network and weight has its own stream. */
const SEED = 2020;

/** The folder of this file; the compiled one in `dist/models/zoo` finds the models where the package keeps them. */
const FILES = new URL(import.meta.url.endsWith('.ts') ? './' : '../../../models/zoo/', import.meta.url);

const CLASSIFIER = {
  kind: 'image-classification',
  input: 'image',
  output: 'probabilities',
  isSoftmaxed: true,
} as const satisfies Partial<ImageClassificationTask>;

const lenet5: ZooEntry = {
  name: 'lenet5',
  description: 'LeNet-5, recognises handwritten digits (28x28, grey)',
  licence: 'Apache-2.0',
  source: 'LeCun et al., Proc. IEEE 86(11), 1998; trained by models/zoo/lenet5/train.ts on 8,000 digits of MNIST',
  weights: 'trained',
  task: { ...CLASSIFIER, image: DIGIT_IMAGE, labels: Array.from('0123456789'), topK: 3 },
  open: () => readPackage(fileURLToPath(new URL('lenet5/lenet5.onnx', FILES))),
};

const seeded = (
  name: string,
  title: string,
  source: string,
  side: number,
  seed: number,
  graph: () => Graph,
): ZooEntry => ({
  name,
  description: `${title}, the architecture with generated weights: class indices mean nothing`,
  licence: 'CC0-1.0',
  source,
  weights: 'seeded',
  task: { ...CLASSIFIER, image: imagenetImage(side), labels: [], topK: 5 },
  open: () => Promise.resolve(seededPackage(graph(), seed)),
});

const VGG_PAPER = 'Simonyan and Zisserman, ICLR 2015';

export const ZOO = Object.freeze({
  lenet5,
  alexnet: seeded('alexnet', 'AlexNet', 'Krizhevsky et al., NIPS 2012', 227, SEED + 1_000, alexnetGraph),
  vgg16: seeded('vgg16', 'VGG-16', `${VGG_PAPER}, column D`, 224, SEED + 2_000, () => vggGraph('vgg16')),
  vgg19: seeded('vgg19', 'VGG-19', `${VGG_PAPER}, column E`, 224, SEED + 3_000, () => vggGraph('vgg19')),
} satisfies Record<string, ZooEntry>);

export type ZooName = keyof typeof ZOO;

export const isZooName = (text: string): text is ZooName => Object.hasOwn(ZOO, text);
