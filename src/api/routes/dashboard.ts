/** The page at `/` that shows the mesh: files of the package, the same for everyone; what they show they ask the API for. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MeshError } from '../../core/errors.ts';

const compress = promisify(gzip);

/** Where the files lie beside the sources, and beside what is built of them. */
const FOLDER = new URL(import.meta.url.endsWith('.ts') ? '../../../web/' : '../../../../web/', import.meta.url);

export const PAGE = 'index.html';
/** All there is: nothing else can be asked for. */
export const ASSETS = [
  'style.css',
  'icon.svg',
  'main.js',
  'ask.js',
  'connection.js',
  'draw-gantt.js',
  'draw-links.js',
  'draw-maps.js',
  'elements.js',
  'format.js',
  'gantt.js',
  'maps.js',
  'overview.js',
  'palette.js',
  'request.js',
  'ring.js',
  'server-sent.js',
  'trace.js',
] as const;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Everything comes from this peer, nothing stands inline, and no text becomes markup. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  vary: 'accept-encoding',
  // Asked for anew each time, and sent anew only after an upgrade.
  'cache-control': 'no-cache',
};

export interface StaticFile {
  readonly bytes: Uint8Array;
  readonly compressed: Uint8Array;
  readonly tag: string;
}

/** @throws Error where the package is not complete. */
export async function readStaticFile(name: string): Promise<StaticFile> {
  const bytes = await readFile(new URL(name, FOLDER));
  const tag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return { bytes, compressed: await compress(bytes, { level: 9 }), tag };
}

// eslint-disable-next-line @typescript-eslint/require-await -- the framework's plugins are asynchronous
export async function dashboardRoutes(app: FastifyInstance): Promise<void> {
  const files = new Map<string, Promise<StaticFile>>();

  async function reply(name: string, request: FastifyRequest, answer: FastifyReply): Promise<FastifyReply> {
    const reading = files.get(name) ?? readStaticFile(name);
    files.set(name, reading);
    const { bytes, compressed, tag } = await reading.catch((cause: unknown) => {
      files.delete(name);
      throw new MeshError('NOT_FOUND', 'the files of the page are missing: install the package anew', { cause });
    });
    answer.headers({ ...HEADERS, etag: tag });
    if (request.headers['if-none-match'] === tag) return answer.code(304).send();
    answer.type(TYPES[extname(name)]!);
    const isCompressed = request.headers['accept-encoding']?.includes('gzip') === true;
    if (!isCompressed) return answer.send(bytes);
    return answer.header('content-encoding', 'gzip').send(compressed);
  }

  const config = { isPublic: true };
  app.get('/', { config }, (request, answer) => reply(PAGE, request, answer));
  for (const name of ASSETS) {
    app.get(`/dashboard/${name}`, { config }, (request, answer) => reply(name, request, answer));
  }
}
