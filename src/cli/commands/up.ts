/** `tilemesh up`: one peer, from its start to the signal that stops it. */
import type { PeerPort } from '../../api/port.ts';
import { MeshError } from '../../core/errors.ts';
import { writeJson, type Terminal } from '../terminal.ts';
import { asInstalled } from '../service.ts';
import { clean } from '../text.ts';
import { UsageError } from '../exit.ts';
import { renderInvitation, type InvitationText } from './invite.ts';

export interface UpOptions {
  readonly name?: string;
  /** `HOST:PORT` */
  readonly api?: string;
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly data?: string;
  readonly mesh?: string;
  readonly listen?: number;
  readonly bootstrap?: readonly string[];
  /** Who may join. */
  readonly membership?: string;
  /** Begin a mesh even where there is one to join. */
  readonly new?: true;
  readonly config?: string;
  readonly logLevel?: string;
  readonly json?: true;
}

/** What the command line sets of the configuration; the rest comes from the file, the environment and the defaults. */
export interface ConfigOverrides {
  readonly name?: string;
  readonly mesh?: string;
  readonly data?: string;
  readonly api?: {
    readonly host?: string;
    readonly port?: number;
    readonly tls?: { readonly certificate: string; readonly key: string };
  };
  readonly membership?: { readonly level?: string; readonly begin?: boolean };
  readonly listen?: { readonly port: number };
  readonly discovery?: { readonly bootstrap: readonly string[] };
  readonly log?: { readonly level: string };
}

/** A peer that runs. */
export interface RunningPeer {
  readonly self: PeerPort['self'];
  /** `http://127.0.0.1:8470`, `https:` with a certificate */
  readonly apiUrl: string;
  /** Where it began a mesh just now: how another board joins. */
  readonly invitation: InvitationText | null;
  /** Finishes what is in hand and takes nothing new; bounded in time. Resolves to whether all was finished. */
  drain(): Promise<boolean>;
  /** Leaves the mesh and releases everything. */
  stop(): Promise<void>;
}

export interface StartRequest {
  readonly overrides: ConfigOverrides;
  /** File named with --config. */
  readonly configFile?: string;
}

/** @throws MeshError of any code. */
export type StartPeer = (request: StartRequest) => Promise<RunningPeer>;

/** A peer that has not stopped by then is left to the end of its process. */
const STOP_MS = 10_000;

export async function upCommand(terminal: Terminal, options: UpOptions, startPeer: StartPeer): Promise<void> {
  const { config } = options;
  const peer = await startPeer({
    overrides: toOverrides(options),
    ...(config === undefined ? {} : { configFile: config }),
  });
  const { id, name, mesh, kernel } = peer.self;
  const { invitation } = peer;
  if (options.json) {
    const invited = invitation === null ? {} : { invitation };
    writeJson(terminal, 'up/1', { event: 'ready', name, mesh, kernel, api: peer.apiUrl, id, ...invited });
  } else {
    const place = `mesh ${clean(mesh)}, kernel ${kernel}, api ${peer.apiUrl}, id ${id}`;
    terminal.out(`tilemesh peer ${clean(name)} ready: ${place}\n`);
    if (invitation !== null) {
      terminal.out(
        `It has begun a mesh of its own; "${asInstalled('npx tilemesh invite')}" lets boards in. ${renderInvitation(invitation)}`,
      );
    }
  }
  await aborted(terminal.interrupted);
  await peer.drain();
  await stopWithin(peer, STOP_MS);
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

async function stopWithin(peer: RunningPeer, deadlineMs: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new MeshError('DEADLINE_EXCEEDED', `the peer did not stop within ${deadlineMs} ms`)),
    deadlineMs,
  );
  try {
    await Promise.race([peer.stop(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws UsageError for an --api that is not HOST:PORT, and for one file of TLS without the other. */
export function toOverrides(options: UpOptions): ConfigOverrides {
  const { name, mesh, data, api, listen, bootstrap, logLevel, membership } = options;
  const tls = tlsFiles(options);
  return {
    ...(name === undefined ? {} : { name }),
    ...(mesh === undefined ? {} : { mesh }),
    ...(data === undefined ? {} : { data }),
    ...(api === undefined && tls === undefined
      ? {}
      : { api: { ...(api === undefined ? {} : parseAddress(api)), ...(tls === undefined ? {} : { tls }) } }),
    ...(membership === undefined && options.new === undefined
      ? {}
      : {
          membership: {
            ...(membership === undefined ? {} : { level: membership }),
            ...(options.new === undefined ? {} : { begin: true }),
          },
        }),
    ...(listen === undefined ? {} : { listen: { port: listen } }),
    ...(bootstrap === undefined ? {} : { discovery: { bootstrap } }),
    ...(logLevel === undefined ? {} : { log: { level: logLevel } }),
  };
}

function tlsFiles({ tlsCertificate: certificate, tlsKey: key }: UpOptions) {
  if (certificate !== undefined && key !== undefined) return { certificate, key };
  if (certificate === undefined && key === undefined) return undefined;
  throw new UsageError('--tls-certificate and --tls-key go together: name both files');
}

/** `HOST:PORT`, `[::1]:PORT`, or a port of the loopback address. */
export function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits] = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) throw new UsageError(`--api "${text}" is not HOST:PORT`);
  return { host: bracketed ?? plain ?? '127.0.0.1', port };
}
