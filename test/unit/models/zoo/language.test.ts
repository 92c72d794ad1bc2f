import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { sha256 } from '../../../../models/manifest.ts';
import { decodeModel } from '../../../../models/onnx/decode.ts';
import { encodeGraph } from '../../../../models/onnx/encode.ts';
import { textTensor } from '../../../../models/tasks/text.ts';
import { ZOO } from '../../../../models/zoo/index.ts';
import { loadDeclarations, type Declaration } from '../../../../models/zoo/language/declarations.ts';
import { LANGUAGES } from '../../../../models/zoo/language/languages.ts';
import { LANGUAGE_SHAPE, languageGraph } from '../../../../models/zoo/language/network.ts';
import { heldBackPieces, PIECE_LENGTH } from '../../../../models/zoo/language/pieces.ts';
import { languageNetwork, RECIPE, train, trainingIds } from '../../../../models/zoo/language/training.ts';
import { namedParameters } from '../../../../models/zoo/training/named-parameters.ts';
import { numberValues } from '../../../../src/core/tensor/tensor.ts';

const PATH = new URL('../../../../models/zoo/language/language.onnx', import.meta.url);
const CLASSES = LANGUAGES.length;

/** The likeliest class of each row of ids. */
async function classesOf(session: InferenceSession, ids: readonly number[], length: number): Promise<number[]> {
  const text = new Tensor('int64', BigInt64Array.from(ids, BigInt), [ids.length / length, length]);
  const { probabilities } = await session.run({ text });
  const values = probabilities!.data as Float32Array;
  return Array.from({ length: ids.length / length }, (_, row) => {
    const scores = values.subarray(row * CLASSES, (row + 1) * CLASSES);
    return scores.indexOf(Math.max(...scores));
  });
}

describe('language network', () => {
  let declarations: Declaration[];
  let session: InferenceSession;

  before(async () => {
    declarations = await loadDeclarations();
    session = await InferenceSession.create(await readFile(PATH));
  });

  after(() => session.release());

  it('holds back six articles of each of 53 languages, and trains on none of them', () => {
    assert.equal(declarations.length, 53);
    for (const [index, { training, heldBack }] of declarations.entries()) {
      assert.equal(heldBack.length, 6, LANGUAGES[index]!.name);
      assert.ok(training.length > 2_000);
      for (const article of heldBack) assert.ok(!training.includes(article), LANGUAGES[index]!.name);
    }
  });

  it('names the language of more than 97 % of the pieces of articles held back, in onnxruntime', async () => {
    const pieces = heldBackPieces(declarations, LANGUAGE_SHAPE.vocabulary);
    const ids = pieces.flatMap(({ input }) => [...input]);
    const found = await classesOf(session, ids, PIECE_LENGTH);
    const right = pieces.filter(({ label }, index) => found[index] === label).length;
    assert.ok(pieces.length > 600 && right > 0.97 * pieces.length, `${right} of ${pieces.length}`);
  });

  it('names every language from whole articles of any length, and knows sentences of other texts', async () => {
    const task = await ZOO.language.task();
    assert.ok(task.kind === 'text-classification');
    const nameOf = async (text: string): Promise<string> => {
      const ids = numberValues(textTensor(new TextEncoder().encode(text), task.text));
      return task.labels[(await classesOf(session, ids, ids.length))[0]!]!;
    };
    let right = 0;
    for (const [label, { heldBack }] of declarations.entries()) {
      for (const article of heldBack) if ((await nameOf(article)) === task.labels[label]) right++;
    }
    assert.ok(right > 0.97 * 6 * CLASSES, `${right} of ${6 * CLASSES}`);
    const sentences = {
      English: 'Tonight there will be strong wind with heavy rain over the northern part of the country.',
      German: 'In der Nacht kommt starker Wind auf, und im Norden des Landes wird es viel regnen.',
      French: 'Cette nuit, le vent soufflera fort et il pleuvra beaucoup dans le nord du pays.',
      Finnish: 'Yöllä tuulee kovaa ja maan pohjoisosassa sataa paljon vettä.',
      Japanese: '今夜は北の地方で強い風が吹き、たくさんの雨が降るでしょう。',
      Korean: '오늘 밤 북쪽 지방에는 강한 바람이 불고 비가 많이 내리겠습니다.',
    };
    for (const [name, sentence] of Object.entries(sentences)) assert.equal(await nameOf(sentence), name);
  });

  it('is a file below 1 MB whose graph is the one written down, encoded to the same bytes again', async () => {
    const bytes = await readFile(PATH);
    assert.ok(bytes.byteLength < 1_000_000, `${bytes.byteLength} bytes`);
    const model = decodeModel(bytes);
    assert.deepEqual(model.graph.nodes, languageGraph().nodes);
    const weights = (name: string): Uint8Array => {
      const found = model.graph.constants.get(name)?.bytes ?? model.weightBytes(name);
      assert.ok(found instanceof Uint8Array);
      return found;
    };
    assert.ok(bytes.equals(encodeGraph(languageGraph(), weights)));
  });

  it('comes out of the trainer with the same bits on every machine', () => {
    const texts = trainingIds(declarations, LANGUAGE_SHAPE.vocabulary);
    const network = languageNetwork(RECIPE, new Set(texts.flat()));
    train(network, texts, { ...RECIPE, epochs: 1, windowsPerLanguage: 2 });
    const weights = namedParameters(
      languageGraph(),
      network.parameters.map(({ values }) => values),
    );
    const bytes = Buffer.concat([...languageGraph().weights.keys()].map(weights));
    assert.equal(sha256(bytes), 'a0453e8f239ebbb0693c402cbc5f97ea491bdd46a0cb649e94ea77c85cdf5ec3');
  });
});
