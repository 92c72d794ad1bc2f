/** What a configuration may say. Every mistake is told at once, each with what would be right. */
import * as v from 'valibot';
import { nearestTo } from '../core/edit-distance.ts';
import { MeshError } from '../core/errors.ts';
import type { UserConfig } from './define.ts';

const integer = (min: number, max: number) => {
  const rule = `must be a whole number from ${min} to ${max}`;
  return v.pipe(v.number(rule), v.integer(rule), v.minValue(min, rule), v.maxValue(max, rule));
};
const matching = (pattern: RegExp, rule: string) => v.pipe(v.string(rule), v.regex(pattern, rule));
const oneOf = <const Options extends readonly string[]>(options: Options) =>
  v.picklist(options, `must be one of ${options.join(', ')}`);
const section = <const Entries extends v.ObjectEntries>(entries: Entries) =>
  v.strictObject(entries, ({ received, expected }) => (expected === 'never' ? received : 'must be an object'));

/** Said instead of the value. */
const HIDDEN = 'must have at least 16 characters';

const bytes = integer(2 ** 20, Number.MAX_SAFE_INTEGER);
const SHARE = 'must be a number from 0 to 1';
const share = v.pipe(v.number(SHARE), v.minValue(0, SHARE), v.maxValue(1, SHARE));
const port = integer(0, 65_535);
const secret = v.pipe(
  v.string('must be text'),
  v.check((value) => value === '' || value.length >= 16, HIDDEN),
);
const portOrOff = v.custom<number | 'off'>(
  (input) => input === 'off' || v.is(port, input),
  'must be "off" or a port from 0 to 65535',
);
const TLS = 'must be "off" or name two files: { certificate, key }';
const tlsOrOff = v.union(
  [
    v.literal('off'),
    v.strictObject({ certificate: v.pipe(v.string(), v.minLength(1)), key: v.pipe(v.string(), v.minLength(1)) }),
  ],
  TLS,
);
/** More than anybody needs, so that not each of a thousand mistakes is told. */
const MOST_ADDRESSES = 256;
const addresses = (pattern: RegExp, rule: string) =>
  v.pipe(
    v.array(v.unknown(), 'must be a list of addresses'),
    v.maxLength(MOST_ADDRESSES, `must have no more than ${MOST_ADDRESSES} addresses`),
    v.array(matching(pattern, rule)),
  );
const text = (rule: string) => v.pipe(v.string(rule), v.minLength(1, rule));

const ENTRIES = {
  name: v.optional(
    matching(/^[A-Za-z0-9][\w.-]{0,62}$/, 'must be 1 to 63 letters, digits, dots, hyphens or underscores'),
  ),
  mesh: v.optional(matching(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be 1 to 32 lower-case letters, digits or hyphens')),
  data: v.optional(text('must be the path of a folder')),
  membership: v.optional(
    section({
      level: v.optional(oneOf(['open', 'secret', 'pinned'])),
      secret: v.optional(secret),
      begin: v.optional(v.boolean('must be true or false')),
    }),
  ),
  api: v.optional(
    section({
      host: v.optional(text('must be a host name or an address')),
      port: v.optional(port),
      token: v.optional(secret),
      tls: v.optional(tlsOrOff),
      grpcPort: v.optional(portOrOff),
    }),
  ),
  listen: v.optional(
    section({
      port: v.optional(port),
      addresses: v.optional(addresses(/^\d{1,3}(\.\d{1,3}){3}$/, 'must be an IPv4 address')),
    }),
  ),
  dataPlane: v.optional(section({ carrier: v.optional(oneOf(['auto', 'streams'])), port: v.optional(port) })),
  discovery: v.optional(
    section({
      mdns: v.optional(v.boolean('must be true or false')),
      bootstrap: v.optional(addresses(/^(\/\S+|[\w.-]+:\d{1,5})$/, 'must be HOST:PORT or a multiaddress')),
    }),
  ),
  kernel: v.optional(
    section({
      name: v.optional(oneOf(['auto', 'onnxruntime', 'wasm', 'reference'])),
      lanes: v.optional(integer(0, 256)),
      threads: v.optional(integer(0, 256)),
      isolation: v.optional(oneOf(['thread', 'process'])),
      macsPerSecond: v.optional(integer(0, Number.MAX_SAFE_INTEGER)),
      arithmetic: v.optional(oneOf(['exact', 'fast'])),
      layers: v.optional(
        v.record(
          matching(/^\d+x\d+@\d+x\d+$/, 'must be named by channels and extents, such as 64x64@224x224'),
          oneOf(['exact', 'fast']),
          'must be an object',
        ),
      ),
    }),
  ),
  memory: v.optional(section({ budgetBytes: v.optional(bytes) })),
  models: v.optional(section({ copies: v.optional(integer(1, 1_000)), diskBudgetBytes: v.optional(bytes) })),
  requests: v.optional(
    section({
      maxConcurrent: v.optional(integer(1, 1_000)),
      maxQueued: v.optional(integer(0, 100_000)),
      defaultDeadlineMs: v.optional(integer(1, 86_400_000)),
      drainMs: v.optional(integer(0, 3_600_000)),
    }),
  ),
  verify: v.optional(section({ share: v.optional(share) })),
  log: v.optional(
    section({ level: v.optional(oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])) }),
  ),
} as const satisfies Record<keyof UserConfig, v.GenericSchema>;

const SCHEMA = section(ENTRIES);

/** The settings there are, such as `listen.port`. */
export const SETTINGS: readonly string[] = Object.entries(ENTRIES).flatMap(([key, { wrapped }]) =>
  'entries' in wrapped ? Object.keys(wrapped.entries).map((inner) => `${key}.${inner}`) : [key],
);

/** The setting most like an unknown one, when it is like any. */
function suggestion(path: string): string {
  const known = [...SETTINGS, ...Object.keys(ENTRIES)];
  const best = nearestTo(path, known);
  return best === undefined ? `there are ${known.join(', ')}` : `did you mean ${best}?`;
}

function describe(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? '';
  const isUnknown = issue.type === 'strict_object' && issue.expected === 'never';
  if (isUnknown) return `${path} is no setting: ${suggestion(path)}`;
  if (issue.message === HIDDEN) return `${path} ${issue.message}`;
  return `${path === '' ? 'the configuration' : path} ${issue.message}, not ${issue.received}`;
}

/**
 * @param origin where it was written, for messages.
 * @throws MeshError INVALID_CONFIG naming every mistake.
 */
export function validate(input: unknown, origin: string): UserConfig {
  const { success, output, issues } = v.safeParse(SCHEMA, input);
  if (success) return output as UserConfig;
  throw new MeshError('INVALID_CONFIG', `${origin}: ${issues.map(describe).join('; ')}`);
}
