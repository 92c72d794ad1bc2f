/** Settings by environment variable: the ones that differ from board to board. */
import { MeshError } from '../core/errors.ts';
import type { UserConfig } from './define.ts';

function hostAndPort(text: string): { host: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined) {
    throw new MeshError('INVALID_CONFIG', `TILEMESH_API: '${text}' is not HOST:PORT, such as 127.0.0.1:8470`);
  }
  return { host: bracketed ?? plain!, port: Number(port) };
}

const list = (text: string): string[] => text.split(/[\s,]+/).filter((part) => part !== '');
/** What is no pair of paths stays text, for the validation to name. */
function certificateAndKey(text: string): { readonly certificate: string; readonly key: string } | string {
  const [certificate, key, ...rest] = text.split(',').map((part) => part.trim());
  return certificate === undefined || key === undefined || rest.length > 0 ? text : { certificate, key };
}
/** What is no number stays text, for the validation to name. */
const number = (text: string): number => (text.trim() === '' ? NaN : Number(text));
const FLAGS: Readonly<Record<string, boolean>> = { '1': true, true: true, '0': false, false: false };

/** What each variable sets. Values are validated afterwards like those of a file. */
export const VARIABLES: Readonly<Record<string, (text: string) => unknown>> = Object.freeze({
  TILEMESH_NAME: (name: string) => ({ name }),
  TILEMESH_MESH: (mesh: string) => ({ mesh }),
  TILEMESH_DATA: (data: string) => ({ data }),
  TILEMESH_MEMBERSHIP: (level: string) => ({ membership: { level } }),
  TILEMESH_MESH_SECRET: (secret: string) => ({ membership: { secret } }),
  TILEMESH_API: (text: string) => ({ api: hostAndPort(text) }),
  TILEMESH_API_TOKEN: (token: string) => ({ api: { token } }),
  TILEMESH_API_TLS: (text: string) => ({ api: { tls: certificateAndKey(text) } }),
  TILEMESH_GRPC_PORT: (text: string) => ({ api: { grpcPort: text === 'off' ? text : number(text) } }),
  TILEMESH_LISTEN: (text: string) => ({ listen: { port: number(text) } }),
  TILEMESH_DATA_PLANE: (carrier: string) => ({ dataPlane: { carrier } }),
  TILEMESH_BOOTSTRAP: (text: string) => ({ discovery: { bootstrap: list(text) } }),
  TILEMESH_MDNS: (text: string) => ({ discovery: { mdns: FLAGS[text.toLowerCase()] ?? text } }),
  TILEMESH_KERNEL: (name: string) => ({ kernel: { name } }),
  TILEMESH_KERNEL_THREADS: (text: string) => ({ kernel: { threads: number(text) } }),
  TILEMESH_KERNEL_ISOLATION: (isolation: string) => ({ kernel: { isolation } }),
  TILEMESH_KERNEL_MACS_PER_SECOND: (text: string) => ({ kernel: { macsPerSecond: number(text) } }),
  TILEMESH_KERNEL_ARITHMETIC: (arithmetic: string) => ({ kernel: { arithmetic } }),
  TILEMESH_MEMORY_BYTES: (text: string) => ({ memory: { budgetBytes: number(text) } }),
  TILEMESH_VERIFY_SHARE: (text: string) => ({ verify: { share: number(text) } }),
  TILEMESH_LOG_LEVEL: (level: string) => ({ log: { level } }),
}) satisfies Readonly<Record<string, (text: string) => Partial<Record<keyof UserConfig, unknown>>>>;

/** The variables that are set, each with what it says. Empty ones count as not set. */
export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): readonly { readonly name: string; readonly value: unknown }[] {
  return Object.entries(VARIABLES).flatMap(([name, parse]) => {
    const text = env[name];
    return text === undefined || text === '' ? [] : [{ name, value: parse(text) }];
  });
}
