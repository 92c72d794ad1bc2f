/** External data is read from the model's folder, and from nowhere else. */
import assert from 'node:assert/strict';
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TensorProto_DataLocation } from 'onnx-buf';
import { packageOf, readPackage, type ModelPackage } from '../../../models/package.ts';
import { floats, invalid, modelBytes } from './onnx/files.ts';

/** Elements of a weight, and of a constant that decoding itself reads. */
const SIZES = { weight: 2_000, constant: 4 } as const;

describe('external data of a model', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-package-'));
    await mkdir(join(folder, 'model'));
    await writeFile(join(folder, 'secret.bin'), new Uint8Array(8_000));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function open(location: string, count: number): Promise<ModelPackage> {
    const bytes = modelBytes({
      initializer: [
        {
          ...floats('w', [count], []),
          dataLocation: TensorProto_DataLocation.EXTERNAL,
          externalData: [{ key: 'location', value: location }],
        },
      ],
    });
    const path = join(folder, 'model', 'model.onnx');
    await writeFile(path, bytes);
    return readPackage(path);
  }

  /** All of it, wherever it is read. */
  async function read(location: string, count: number): Promise<number> {
    const model = await open(location, count);
    if (model.graph.constants.has('w')) return model.graph.constants.get('w')!.bytes.byteLength;
    let total = 0;
    for await (const piece of model.weightPieces('w')) total += piece.byteLength;
    return total;
  }

  for (const [what, count] of Object.entries(SIZES)) {
    describe(`of a ${what}`, () => {
      it('is found beside the model, in folders below it, and through links that stay inside', async () => {
        await writeFile(join(folder, 'model', 'w.bin'), new Uint8Array(8_000));
        await mkdir(join(folder, 'model', 'data'));
        await link(join(folder, 'model', 'w.bin'), join(folder, 'model', 'data', 'w.bin'));
        await symlink('data/w.bin', join(folder, 'model', 'linked.bin'));
        for (const location of ['w.bin', 'data/w.bin', 'linked.bin'])
          assert.equal(await read(location, count), 4 * count);
      });

      it('is refused at absolute paths, above the folder, and through links out of it, by the name of the tensor', async () => {
        await symlink('../secret.bin', join(folder, 'model', 'w.bin'));
        await symlink('..', join(folder, 'model', 'up'));
        const ways = [join(folder, 'secret.bin'), '../secret.bin', 'a/../../secret.bin', 'w.bin', 'up/secret.bin'];
        for (const location of ways) await assert.rejects(read(location, count), invalid(/"w".*folder/), location);
      });

      it('is refused where it is missing, too short, or no file at all', async () => {
        await writeFile(join(folder, 'model', 'short.bin'), new Uint8Array(3));
        await mkdir(join(folder, 'model', 'folder'));
        await assert.rejects(read('none.bin', count), invalid(/none\.bin/));
        await assert.rejects(read('short.bin', count), invalid(/short\.bin/));
        await assert.rejects(read('folder', count), invalid(/"w".*not a file/));
      });

      it('makes the model one of several files', async () => {
        await writeFile(join(folder, 'model', 'w.bin'), new Uint8Array(8_000));
        assert.equal((await open('w.bin', count)).isSplit, true);
      });
    });
  }

  it('is not there for a model in one file', () => {
    assert.equal(packageOf(modelBytes({ initializer: [floats('w', [2], [1, 2])] })).isSplit, false);
  });
});
