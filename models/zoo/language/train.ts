/**
 * `npm run train:language` trains the language network from the recipe's seed, tells its accuracy on articles held back
 * and writes `language.onnx` beside this file: the same bytes on every machine. With `--check` it compares instead.
 */
import { encodeGraph } from '../../onnx/encode.ts';
import { classify } from '../training/classifier.ts';
import { keepOrCompare } from '../training/committed-file.ts';
import { namedParameters } from '../training/named-parameters.ts';
import { loadDeclarations } from './declarations.ts';
import { LANGUAGE_SHAPE, languageGraph } from './network.ts';
import { heldBackPieces, PIECE_LENGTH } from './pieces.ts';
import { languageNetwork, RECIPE, train, trainingIds } from './training.ts';

const declarations = await loadDeclarations();
const texts = trainingIds(declarations, LANGUAGE_SHAPE.vocabulary);
const network = languageNetwork(RECIPE, new Set(texts.flat()));
train(network, texts, RECIPE, ({ epoch, accuracy }) =>
  console.log(`epoch ${epoch} of ${RECIPE.epochs}: ${(100 * accuracy).toFixed(2)} % of the training windows`),
);
const pieces = heldBackPieces(declarations, LANGUAGE_SHAPE.vocabulary);
const right = pieces.filter(({ input, label }) => classify(network, input) === label).length;
console.log(`${right} of ${pieces.length} pieces of up to ${PIECE_LENGTH} characters of articles it has never seen`);

const graph = languageGraph();
const parameters = network.parameters.map(({ values }) => values);
const bytes = encodeGraph(graph, namedParameters(graph, parameters));
await keepOrCompare(new URL('./language.onnx', import.meta.url), bytes, 'train:language');
