/**
 * `npm run train:lenet5` trains LeNet-5 from the recipe's seed and writes `lenet5.onnx` beside this file: the same bytes
 * on every machine, in some minutes. With `--check` it writes nothing and fails when the committed file differs.
 */
import { encodeGraph } from '../../onnx/encode.ts';
import { classify } from '../training/classifier.ts';
import { keepOrCompare } from '../training/committed-file.ts';
import { namedParameters } from '../training/named-parameters.ts';
import { loadDigits } from './digits.ts';
import { lenet5Graph } from './network.ts';
import { lenet5, RECIPE, train } from './training.ts';

const { training, heldBack } = await loadDigits();
const network = lenet5(RECIPE.seed);
train(network, training, RECIPE, ({ epoch, accuracy }) =>
  console.log(`epoch ${epoch} of ${RECIPE.epochs}: ${(100 * accuracy).toFixed(2)} % of the shifted training digits`),
);
const right = heldBack.filter(({ input, label }) => classify(network, input) === label).length;
console.log(`${right} of ${heldBack.length} digits it has never seen`);

const graph = lenet5Graph();
const parameters = network.parameters.map(({ values }) => values);
const bytes = encodeGraph(graph, namedParameters(graph, parameters));
await keepOrCompare(new URL('./lenet5.onnx', import.meta.url), bytes, 'train:lenet5');
