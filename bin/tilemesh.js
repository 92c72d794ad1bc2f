#!/usr/bin/env node
// Runs the sources of a checkout as they are, and the built files of an installed package.
import { existsSync, readFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

const REQUIRED = [22, 18];
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < REQUIRED[0] || (major === REQUIRED[0] && minor < REQUIRED[1])) {
  console.error(
    `tilemesh needs Node ${REQUIRED.join('.')} or newer, this is ${process.versions.node}: in a checkout run it with "npx tilemesh", elsewhere install a newer Node`,
  );
  process.exitCode = 1;
} else {
  // Commands start in half the time; where the folder cannot be written, they do without.
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  nodeModule.enableCompileCache(join(cache, 'tilemesh'));
  const sources = new URL('../src/cli/main.ts', import.meta.url);
  const built = new URL('../dist/src/cli/main.js', import.meta.url);
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const { main } = await import(existsSync(sources) ? sources.href : built.href);
  process.exitCode = await main(process.argv.slice(2), version);
}
