/** What the INPUT of `tilemesh run` may be, beside arrays. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskSpec } from '../../../models/tasks/task.ts';
import type { Api } from '../../../src/api/server.ts';
import type { ValueInfo } from '../../../src/core/graph/graph.ts';
import { numberValues } from '../../../src/core/tensor/tensor.ts';
import { fakePeer, startFakeApi, type FakePeer } from '../../support/fake-peer.ts';
import { tilemesh } from '../../support/terminal.ts';

const LETTERS: TaskSpec = {
  kind: 'text-classification',
  input: 'x',
  output: 'y',
  text: { normalisation: 'letters', vocabulary: 4096, minLength: 1, maxLength: 64 },
  labels: ['first', 'second', 'third'],
  isSoftmaxed: true,
  topK: 1,
};
const SERIES: TaskSpec = {
  kind: 'forecasting',
  input: 'x',
  output: 'y',
  series: { context: 4, normalisation: 'window' },
};
const TEXT: ValueInfo = { name: 'x', type: 'int64', dims: ['batch', 'length'] };
const STEPS: ValueInfo = { name: 'x', type: 'float32', dims: ['batch', 1, 'length'] };

describe('the input of tilemesh run', () => {
  let folder: string;
  let api: Api | undefined;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-inputs-'));
  });
  after(() => rm(folder, { recursive: true }));
  afterEach(() => api?.close());

  async function run(task: TaskSpec, input: ValueInfo, given: string) {
    const peer: FakePeer = fakePeer({ model: { task, inputs: [input], weights: 'trained' } });
    api = await startFakeApi(peer);
    return { ...(await tilemesh('run', 'double', given, '--api', api.url)), requests: peer.requests };
  }

  it('is taken as a text where it is no file', async () => {
    const { code, out, requests } = await run(LETTERS, TEXT, 'C ab');
    assert.equal(code, 0);
    assert.deepEqual(numberValues(requests[0]!.inputs.get('x')!), [32, 99, 32, 97, 98, 32]);
    assert.match(out, /CLASS\s+PROBABILITY\nsecond/);
  });

  it('is read where it is a file, whatever its name', async () => {
    const file = join(folder, 'some words');
    await writeFile(file, 'ab');
    const { requests } = await run(LETTERS, TEXT, file);
    assert.deepEqual(numberValues(requests[0]!.inputs.get('x')!), [32, 97, 98, 32]);
  });

  it('is a file that is missing where it looks like one', async () => {
    for (const name of ['notes.txt', './notes', 'folder/notes']) {
      const { code, err, requests } = await run(LETTERS, TEXT, name);
      assert.notEqual(code, 0);
      assert.match(err, new RegExp(`there is no file "${name}"`));
      assert.equal(requests.length, 0);
      await api?.close();
    }
  });

  it('says both when there is no such file and the model has no use for the words', async () => {
    const { code, err } = await run(SERIES, STEPS, 'next week');
    assert.notEqual(code, 0);
    assert.match(err, /there is no file "next week".*as a text: .*1 to 1000000 lines/);
  });

  it('may be a series, of which the forecast is printed on its own scale', async () => {
    const file = join(folder, 'series.csv');
    await writeFile(file, 'day,value\n1 May,1\n2 May,2\n3 May,3\n4 May,4\n');
    const { code, out } = await run(SERIES, STEPS, file);
    assert.equal(code, 0);
    assert.match(out, /AHEAD\s+VALUE\n\s*\+1\s+5\.5\n/);
  });
});
