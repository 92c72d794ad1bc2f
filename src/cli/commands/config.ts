/** `tilemesh config show`: what a peer started here would run with, and where each setting comes from. */
import { loadConfig } from '../../config/load.ts';
import { SETTINGS } from '../../config/schema.ts';
import { plainly, writeJson, type Terminal } from '../terminal.ts';
import { table } from '../text.ts';

export interface ConfigShowOptions {
  readonly origin?: true;
  readonly config?: string;
  readonly json?: true;
  readonly plain?: true;
}

const valueAt = (config: object, path: string): unknown =>
  path.split('.').reduce<unknown>((inner, key) => (inner as Readonly<Record<string, unknown>>)[key], config);

const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

export async function configShowCommand(terminal: Terminal, options: ConfigShowOptions): Promise<void> {
  const config = await loadConfig(process.cwd(), {}, options.config);
  const settings = SETTINGS.map((path) => ({
    setting: path,
    value: valueAt(config, path),
    origin: config.origins[path] ?? 'default',
  }));
  if (options.json) {
    writeJson(terminal, 'config/1', { settings });
    return;
  }
  const columns = [{ title: 'SETTING' }, { title: 'VALUE' }, ...(options.origin ? [{ title: 'ORIGIN' }] : [])];
  const rows = settings.map(({ setting, value, origin }) => [
    setting,
    show(value),
    ...(options.origin ? [origin] : []),
  ]);
  terminal.out(table(options.plain ? plainly(terminal) : terminal, columns, rows));
}
