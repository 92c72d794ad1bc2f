/** `tilemesh models`: what the mesh can run, and who holds it. */
import type { ModelView } from '../../api/port.ts';
import { getJson, parseApiUrls } from '../client.ts';
import { plainly, writeJson, type Terminal } from '../terminal.ts';
import { asInstalled } from '../service.ts';
import { clean, formatBytes, table } from '../text.ts';

export interface ModelsOptions {
  readonly api: string;
  readonly json?: true;
  readonly plain?: true;
}

const NONE = `The mesh holds no model yet. Those that come with the program are made when they are first asked for ("npx tilemesh run
lenet5 digit.png"), one of yours comes with "npx tilemesh import FILE.onnx --name NAME".
`;

export async function modelsCommand(terminal: Terminal, options: ModelsOptions): Promise<void> {
  const urls = parseApiUrls(options.api);
  const { models } = (await getJson(urls, '/tilemesh/v1/models', terminal.interrupted)) as {
    readonly models: readonly ModelView[];
  };
  if (options.json) {
    writeJson(terminal, 'models/1', { models });
    return;
  }
  if (models.length === 0 && options.plain !== true) {
    terminal.out(asInstalled(NONE));
    return;
  }
  terminal.out(renderModels(options.plain ? plainly(terminal) : terminal, models));
}

/** `evicted`: it was here and went to make room for another. */
function heldHere({ bytesHeld, bytesTotal, evictedAtMs }: ModelView): string {
  if (bytesTotal === 0) return '-';
  if (bytesHeld === 0 && evictedAtMs !== undefined) return 'evicted';
  return `${((100 * bytesHeld) / bytesTotal).toFixed(0)} %`;
}

function renderModels(terminal: Terminal, models: readonly ModelView[]): string {
  const columns = [
    { title: 'NAME' },
    { title: 'TASK' },
    { title: 'WEIGHTS' },
    { title: 'SIZE', align: 'right' as const },
    { title: 'HELD HERE', align: 'right' as const },
    { title: 'PEERS', align: 'right' as const },
    { title: 'DESCRIPTION' },
  ];
  const rows = models.map((model) => [
    clean(model.name),
    clean(model.task),
    clean(model.weights),
    formatBytes(model.bytesTotal),
    heldHere(model),
    String(model.holders.length),
    clean(model.description),
  ]);
  return table(terminal, columns, rows);
}
