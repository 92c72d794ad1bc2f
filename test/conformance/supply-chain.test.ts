/** What is installed with tilemesh, and what it may do while it is. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '../..');

interface LockedPackage {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly inBundle?: boolean;
  readonly hasInstallScript?: boolean;
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
}

interface Component {
  readonly name: string;
  readonly version: string;
  readonly properties?: readonly { readonly name: string }[];
}

const isForDevelopment = ({ properties = [] }: Component): boolean =>
  properties.some(({ name }) => name === 'cdx:npm:package:development');

const json = async <T>(name: string): Promise<T> => JSON.parse(await readFile(join(ROOT, name), 'utf8')) as T;

describe('supply chain', function () {
  this.timeout(300_000);
  let locked: readonly (readonly [path: string, LockedPackage])[];
  let manifest: Manifest;
  before(async () => {
    manifest = await json('package.json');
    const { packages } = await json<{ readonly packages: Readonly<Record<string, LockedPackage>> }>(
      'package-lock.json',
    );
    locked = Object.entries(packages).filter(([path]) => path.startsWith('node_modules/'));
  });

  it('is locked by digest, at whichever registry: no package is named by an address', () => {
    assert.ok(locked.length > 100);
    const named = locked.filter(([, { resolved }]) => resolved !== undefined);
    assert.deepEqual(named, []);
    const open = locked.filter(
      ([, { integrity, inBundle }]) => inBundle !== true && !(integrity ?? '').startsWith('sha512-'),
    );
    assert.deepEqual(open, []);
  });

  it('runs no install script but that of the package that brings Node', () => {
    const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([path]) => path);
    const allowed = Object.entries(manifest.allowScripts).flatMap(([name, isAllowed]) => (isAllowed ? [name] : []));
    assert.deepEqual(allowed, ['node']);
    for (const path of scripted) {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      assert.ok(
        Object.hasOwn(manifest.allowScripts, name),
        `${name} has a script, and nothing says whether it may run`,
      );
    }
  });

  it('can be listed in CycloneDX, every dependency with its version', async () => {
    const args = ['run', '--silent', 'sbom'];
    const { stdout } = await promisify(execFile)('npm', args, { cwd: ROOT, maxBuffer: 64 * 2 ** 20 });
    const { bomFormat, components } = JSON.parse(stdout) as {
      readonly bomFormat: string;
      readonly components: readonly Component[];
    };
    assert.equal(bomFormat, 'CycloneDX');
    for (const name of Object.keys(manifest.dependencies)) {
      const { version } = locked.find(([path]) => path === `node_modules/${name}`)![1];
      assert.ok(
        components.some((part) => part.name === name && part.version === version && !isForDevelopment(part)),
        `${name} ${version}`,
      );
    }
  });
});
