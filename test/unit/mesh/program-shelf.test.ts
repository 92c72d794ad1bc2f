import assert from 'node:assert/strict';
import type { Kernel, WeightFile } from '../../../kernels/kernel.ts';
import type { Program } from '../../../src/core/program/program.ts';
import { ProgramShelf } from '../../../src/mesh/program-shelf.ts';

const { signal } = new AbortController();
const WEIGHTS: WeightFile = { path: '/weights' };
const program = (key: string): Program => ({ key, nodes: [], weights: new Map() }) as unknown as Program;

describe('mesh/program-shelf', () => {
  let prepared: (readonly [key: string, weights: WeightFile | null])[];
  let released: string[];
  let failing: string | undefined;
  let asked: string[][];
  const kernel = {
    prepare: (own: Program, weights: WeightFile | null) => {
      if (own.key === failing) return Promise.reject(new Error('no memory'));
      prepared.push([own.key, weights]);
      return Promise.resolve();
    },
    release: (key: string) => {
      released.push(key);
      return Promise.resolve();
    },
  } as unknown as Kernel;
  const weightsFor = (programs: readonly Program[]): Promise<WeightFile> => {
    asked.push(programs.map(({ key }) => key));
    return Promise.resolve(WEIGHTS);
  };

  beforeEach(() => {
    [prepared, released, asked, failing] = [[], [], [], undefined];
  });

  it('asks for the weights of what is not prepared yet, and of nothing else', async () => {
    const shelf = new ProgramShelf(kernel, 1e9);
    const giveBack = await shelf.take([program('a'), program('b')], weightsFor, signal);
    giveBack();
    await shelf.take([program('b'), program('a')], weightsFor, signal);
    await shelf.take([program('a'), program('c')], weightsFor, signal);
    assert.deepEqual(asked, [['a', 'b'], ['c']]);
    assert.deepEqual(
      prepared.map(([key, weights]) => [key, weights === WEIGHTS]),
      [
        ['a', true],
        ['b', true],
        ['c', true],
      ],
    );
  });

  it('asks again for what could not be prepared, or has gone since', async () => {
    const shelf = new ProgramShelf(kernel, 0);
    failing = 'a';
    await assert.rejects(shelf.take([program('a')], weightsFor, signal), /no memory/);
    failing = undefined;
    const giveBack = await shelf.take([program('a')], weightsFor, signal);
    giveBack();
    assert.deepEqual(released.at(-1), 'a');
    await shelf.take([program('a')], weightsFor, signal);
    assert.deepEqual(asked, [['a'], ['a'], ['a']]);
  });

  it('drops what was prepared of a model that goes, but for what is in use', async () => {
    const shelf = new ProgramShelf(kernel, 1e9);
    const giveBack = await shelf.take([program('one/a')], weightsFor, signal);
    (await shelf.take([program('one/b'), program('two/a')], weightsFor, signal))();
    assert.deepEqual([shelf.isInUse('one'), shelf.isInUse('two')], [true, false]);
    await shelf.drop('one');
    assert.deepEqual(released, ['one/b']);
    giveBack();
    assert.equal(shelf.isInUse('one'), false);
    await shelf.drop('one');
    assert.deepEqual(released, ['one/b', 'one/a']);
  });

  it('keeps what is in use, though there is no room for it', async () => {
    const shelf = new ProgramShelf(kernel, 0);
    const giveBack = await shelf.take([program('a')], weightsFor, signal);
    const other = await shelf.take([program('a'), program('b')], weightsFor, signal);
    giveBack();
    assert.deepEqual(released, []);
    other();
    assert.deepEqual(released.toSorted(), ['a', 'b']);
  });
});
