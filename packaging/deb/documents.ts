/** What Debian wants written beside a program: whose it is and on what terms, and what changed. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readPackageJson, type PackageJson } from './application.ts';

/** As Debian's tools take it: DEBFULLNAME and DEBEMAIL of whoever builds the package. */
export function maintainer({ DEBFULLNAME: name, DEBEMAIL: address }: NodeJS.ProcessEnv = process.env): string {
  return `${name ?? 'tilemesh developers'} <${address ?? 'tilemesh@localhost'}>`;
}

/** Packages in a `node_modules` folder, those inside others too, sorted by name. */
export function installedPackages(modules: string): readonly PackageJson[] {
  const found = readdirSync(modules, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name === 'package.json')
    .map((entry) => readPackageJson(entry.parentPath))
    // Parts of packages have such files as well, without a name or a version.
    .filter(({ name, version }) => (name as unknown) !== undefined && (version as unknown) !== undefined);
  const unique = new Map(found.map((entry) => [`${entry.name} ${entry.version}`, entry]));
  return [...unique.keys()].sort().map((key) => unique.get(key)!);
}

/** @param application the folder of `application.ts`. */
export function copyrightText(application: string, nodeVersion: string, year: number): string {
  const modules = installedPackages(join(application, 'node_modules'));
  const list = modules.map(({ name, version, license }) => `  ${name} ${version}: ${license ?? 'see its files'}`);
  return [
    'tilemesh, a peer-to-peer mesh for inference',
    '',
    `Copyright (C) ${year} the authors of tilemesh`,
    'License: Apache-2.0, in /usr/share/common-licenses/Apache-2.0',
    '',
    `/usr/lib/tilemesh/bin/node is Node.js ${nodeVersion}. Its licence (MIT) and those of the libraries in it are in`,
    '/usr/lib/tilemesh/bin/LICENSE.node.',
    '',
    'In /usr/lib/tilemesh/node_modules, each under its own licence, whose text lies in the folder of the package',
    'where its authors gave one:',
    '',
    ...list,
    '',
  ].join('\n');
}

/** @param date of the source, so that the same source gives the same package. */
export const changelogText = (version: string, date: Date): string =>
  [
    `tilemesh (${version}) unstable; urgency=medium`,
    '',
    '  * Packaged as published; what changed is in CHANGELOG.md beside this file.',
    '',
    ` -- ${maintainer()}  ${date.toUTCString().replace('GMT', '+0000')}`,
    '',
  ].join('\n');
