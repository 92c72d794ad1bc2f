/**
 * `npm run train:lenet5` trains LeNet-5 from the recipe's seed and writes `lenet5.onnx` beside this file: the same bytes
 * on every machine, in some minutes. With `--check` it writes nothing and fails when the committed file differs.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { encodeGraph } from '../../onnx/encode.ts';
import { classify } from '../training/classifier.ts';
import { loadDigits } from './digits.ts';
import { lenet5Graph, namedParameters } from './network.ts';
import { lenet5, RECIPE, train } from './training.ts';

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const path = fileURLToPath(new URL('./lenet5.onnx', import.meta.url));

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
if (!options.check) {
  await writeFile(path, bytes);
  console.log(`${path}: ${bytes.byteLength} bytes`);
} else if (Buffer.from(bytes).equals(await readFile(path))) {
  console.log('the committed file is what the recipe makes');
} else {
  console.error(`${path} is not what the recipe makes: run "npm run train:lenet5" and commit the result`);
  process.exitCode = 1;
}
