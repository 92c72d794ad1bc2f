/** The configuration file of the package: the commented preset of the checkout, for a peer that the system starts. */

const IMPORT = /^import \{ defineConfig \} from '.*';$/m;
const INTRODUCTION = /^\/\*\*[\s\S]*?\*\/$/m;
const DATA = /^ {2}\/\/ data: '\/var\/lib\/tilemesh',$/m;

const OWN_INTRODUCTION = `/**
 * Settings of this board's peer, read when the service starts: systemctl restart tilemesh. Every setting that is commented
 * out shows its default; /usr/share/doc/tilemesh explains more.
 */`;
const OWN_IMPORT = "import { defineConfig } from '/usr/lib/tilemesh/dist/src/config/define.js';";
const OWN_DATA = "  data: '/var/lib/tilemesh',";

function replaceOnce(text: string, pattern: RegExp, replacement: string): string {
  if (!pattern.test(text))
    throw new Error(`mesh.config.ts has nothing like ${pattern.source}: change packaging/deb too`);
  return text.replace(pattern, replacement);
}

/**
 * @param preset the text of the checkout's `mesh.config.ts`.
 * @throws Error when the preset does not read as it used to.
 */
export const packagedConfiguration = (preset: string): string =>
  [[INTRODUCTION, OWN_INTRODUCTION] as const, [IMPORT, OWN_IMPORT] as const, [DATA, OWN_DATA] as const].reduce(
    (text, [pattern, replacement]) => replaceOnce(text, pattern, replacement),
    preset,
  );
