/** What others install: its entry points, its types, its documentation, and the examples against it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { Application, ReflectionKind } from 'typedoc';
import { createPeer, loadConfig, type Peer } from '../../../src/index.ts';
import { packInto, type Packed } from '../../support/packed.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const PATIENCE_MS = 300_000;
const run = promisify(execFile);

describe('The package', function () {
  this.timeout(PATIENCE_MS);
  let folder: string;
  let packed: Packed;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tilemesh-package-'));
    packed = await packInto(folder);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('has nothing that publint finds fault with', async () => {
    const tarball = await readFile(packed.tarball);
    const { messages, pkg } = await publint({
      pack: { tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength) },
      strict: true,
    });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg)),
      [],
    );
  });

  it('has types that are right for modules, by Node and by bundlers', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(await readFile(packed.tarball))));
    assert.ok(analysis.types !== false, 'there are no types');
    // It is of modules only: what CommonJS without their support would make of it is no fault.
    const ofModules = analysis.problems.filter(
      (problem) => !('resolutionKind' in problem) || ['node16-esm', 'bundler'].includes(problem.resolutionKind),
    );
    assert.deepEqual(ofModules, []);
  });

  it('exports every type that it speaks of, and documents each function and interface', async () => {
    const app = await Application.bootstrap({
      entryPoints: [path.join(ROOT, 'src/index.ts')],
      tsconfig: path.join(ROOT, 'tsconfig.json'),
      skipErrorChecking: true,
      excludeExternals: true,
      // How these types are made is of no use outside.
      intentionallyNotExported: ['ELEMENT_BYTES', 'Branded', 'MARKS'],
      readme: 'none',
      logLevel: 'None',
    });
    const project = await app.convert();
    assert.ok(project !== undefined);
    // Comments of functions are those of their signatures.
    const kinds = [ReflectionKind.CallSignature, ReflectionKind.Interface, ReflectionKind.Class];
    const all = kinds.flatMap((kind) => project.getReflectionsByKind(kind));
    assert.ok(all.length > 20);
    assert.deepEqual(
      all
        .filter((reflection) => !reflection.hasComment() && reflection.name !== '__type')
        .map((reflection) => reflection.getFullName()),
      [],
    );
    app.options.setValue('validation', { notExported: true, invalidLink: true, notDocumented: false });
    const warnings: string[] = [];
    app.logger.validationWarning = (message) => void warnings.push(message);
    app.validate(project);
    assert.deepEqual(warnings, []);
  });

  describe('runs the example', () => {
    let peer: Peer;
    before(async () => {
      await cp(path.join(ROOT, 'examples'), path.join(packed.folder, 'examples'), { recursive: true });
      const config = {
        data: path.join(folder, 'data'),
        api: { port: 0, grpcPort: 0 },
        listen: { addresses: ['127.0.0.1'] },
        discovery: { mdns: false },
        log: { level: 'silent' },
      };
      peer = await createPeer(await loadConfig(folder, config));
    });
    after(() => peer.stop());

    const example = async (name: string, ...options: string[]): Promise<string> =>
      (
        await run('node', [path.join(packed.folder, 'examples', name), ...options], {
          cwd: folder,
          timeout: PATIENCE_MS,
        })
      ).stdout;

    it('one-peer.ts', async () => {
      assert.match(await example('one-peer.ts'), /^it is a 1, computed whole on one peer$/m);
    });

    it('two-peers.ts', async () => {
      const output = await example('two-peers.ts');
      for (const name of ['kitchen', 'garage'])
        assert.match(output, new RegExp(`^${name} computed [1-9]\\d* of \\d+ tiles$`, 'm'));
    });

    it('open-inference.ts', async () => {
      const output = await example('open-inference.ts', peer.apiUrl);
      assert.match(output, /^probabilities \[ 1, 10 \]/m);
      assert.match(output, /^coordinated by \w+: input;dur=/m);
    });

    it('grpc.ts', async () => {
      assert.match(await example('grpc.ts', `127.0.0.1:${peer.grpcPort}`), /^probabilities \[/m);
    });
  });
});
