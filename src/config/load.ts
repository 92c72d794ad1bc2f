/**
 * The configuration a peer runs with: defaults, then `mesh.config.ts`, then the environment, then the command line, later
 * ones over earlier ones, setting by setting.
 */
import { access } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MeshError } from '../core/errors.ts';
import { defaultDataFolder, defaultsFor, thisMachine, type Machine } from './defaults.ts';
import type { MeshConfig } from './define.ts';
import { readEnvironment } from './environment.ts';
import { SETTINGS, validate } from './schema.ts';

/** `default`, the path of a file, the name of an environment variable, or `command line`. */
export type Origin = string;

export interface ResolvedConfig extends MeshConfig {
  /** Where each setting came from, by its path, such as `listen.port`. */
  readonly origins: Readonly<Record<string, Origin>>;
}

/** Looked for in this order. */
const FILE_NAMES = ['mesh.config.ts', 'mesh.config.js', 'mesh.config.mjs'] as const;

interface Layer {
  readonly origin: Origin;
  readonly value: unknown;
}

const isPresent = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

async function findFile(cwd: string, named: string | undefined): Promise<string | null> {
  if (named !== undefined) {
    const path = resolve(cwd, named);
    if (await isPresent(path)) return path;
    throw new MeshError('INVALID_CONFIG', `there is no file ${path}: check what --config names`);
  }
  for (const name of FILE_NAMES) {
    const path = join(cwd, name);
    if (await isPresent(path)) return path;
  }
  return null;
}

async function readFile(path: string): Promise<Layer> {
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as typeof module;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError('INVALID_CONFIG', `${path} cannot be loaded: ${reason}`, { cause });
  }
  if (module.default === undefined) {
    const message = `${path} exports nothing by default: write 'export default defineConfig({ ... })' in it`;
    throw new MeshError('INVALID_CONFIG', message);
  }
  return { origin: path, value: module.default };
}

/** The value at `listen.port`, undefined where there is none. */
const valueAt = (value: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>((inner, key) => (inner as Readonly<Record<string, unknown>> | undefined)?.[key], value);

/** Later layers over earlier ones; each is validated on its own, so that a mistake names its origin. */
export function mergeLayers(defaults: MeshConfig, layers: readonly Layer[]): ResolvedConfig {
  const all = [
    { origin: 'default', value: defaults },
    ...layers.map(({ origin, value }) => ({ origin, value: validate(value, basename(origin)) })),
  ];
  const origins: Record<string, Origin> = {};
  const result: Record<string, unknown> = {};
  for (const path of SETTINGS) {
    const { origin, value } = all.findLast((layer) => valueAt(layer.value, path) !== undefined)!;
    const [key, inner] = path.split('.') as [string, string?];
    const setting = freeze(valueAt(value, path));
    origins[path] = origin;
    if (inner === undefined) result[key] = setting;
    else result[key] = { ...(result[key] as object | undefined), [inner]: setting };
  }
  for (const value of Object.values(result)) Object.freeze(value);
  return Object.freeze({ ...(result as unknown as MeshConfig), origins: Object.freeze(origins) });
}

const freeze = (value: unknown): unknown => (Array.isArray(value) ? Object.freeze([...(value as unknown[])]) : value);

/** Resolves paths: the data folder next to nothing else of this machine's, and all absolute. */
function withPaths(config: ResolvedConfig, machine: Machine, cwd: string): ResolvedConfig {
  const isDefault = config.origins.data === 'default';
  const data = isDefault ? defaultDataFolder(machine, config.name) : resolve(cwd, config.data);
  const { tls } = config.api;
  if (tls === 'off') return Object.freeze({ ...config, data });
  const absolute = { certificate: resolve(cwd, tls.certificate), key: resolve(cwd, tls.key) };
  return Object.freeze({ ...config, data, api: Object.freeze({ ...config.api, tls: absolute }) });
}

/**
 * @param overrides what the command line says, as a configuration.
 * @param configFile a file to read instead of looking for `mesh.config.ts` in `cwd`.
 * @throws MeshError INVALID_CONFIG naming the mistake and where it was made.
 */
export async function loadConfig(
  cwd: string,
  overrides: unknown = {},
  configFile?: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
  machine: Machine = thisMachine(),
): Promise<ResolvedConfig> {
  const file = await findFile(cwd, configFile);
  const layers: readonly Layer[] = [
    ...(file === null ? [] : [await readFile(file)]),
    ...readEnvironment(env).map(({ name, value }) => ({ origin: name, value })),
    { origin: 'command line', value: overrides },
  ];
  return withPaths(mergeLayers(defaultsFor(machine), layers), machine, cwd);
}
