import assert from 'node:assert/strict';
import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultsFor } from '../../../src/config/defaults.ts';
import { VARIABLES } from '../../../src/config/environment.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { SETTINGS, validate } from '../../../src/config/schema.ts';
import { editDistance } from '../../../src/core/edit-distance.ts';
import { MeshError } from '../../../src/core/errors.ts';

const machine = { hostname: 'board 7', home: '/home/me', memoryBytes: 2 ** 32 };
const repository = fileURLToPath(new URL('../../..', import.meta.url));

const refuses = (words: RegExp) => (error: unknown) =>
  error instanceof MeshError && error.code === 'INVALID_CONFIG' && words.test(error.message);

describe('config', () => {
  let cwd = '';
  beforeEach(async () => (cwd = await mkdtemp(join(tmpdir(), 'tilemesh-config-'))));
  afterEach(() => rm(cwd, { recursive: true }));

  const load = (overrides: unknown = {}, env: Record<string, string> = {}, file?: string) =>
    loadConfig(cwd, overrides, file, env, machine);
  const write = (source: string, name = 'mesh.config.ts') => writeFile(join(cwd, name), source);

  it('is the defaults when nothing is configured', async () => {
    const { origins, ...config } = await load();
    assert.deepEqual(config, defaultsFor(machine));
    assert.equal(config.data, '/home/me/.tilemesh/board7');
    assert.equal(config.memory.budgetBytes, 2 ** 31);
    assert.deepEqual(new Set(Object.values(origins)), new Set(['default']));
    assert.deepEqual(Object.keys(origins), SETTINGS);
  });

  it('takes each setting from the last that names it, and says from where', async () => {
    await write(`export default { name: 'file', mesh: 'file', listen: { port: 1 }, log: { level: 'warn' } }`);
    const config = await load({ name: 'line', listen: {} }, { TILEMESH_NAME: 'env', TILEMESH_MESH: 'env' });
    assert.deepEqual([config.name, config.mesh, config.listen.port, config.log.level], ['line', 'env', 1, 'warn']);
    assert.deepEqual(
      ['name', 'mesh', 'listen.port', 'api.port'].map((path) => config.origins[path]),
      ['command line', 'TILEMESH_MESH', join(cwd, 'mesh.config.ts'), 'default'],
    );
  });

  it('cannot be changed', async () => {
    const config = await load({ discovery: { bootstrap: ['a:1'] } });
    const values = [config, config.origins, config.listen, config.listen.addresses, config.discovery.bootstrap];
    for (const value of values) assert.ok(Object.isFrozen(value));
  });

  it('gives peers of different names different folders, and takes relative ones from here', async () => {
    assert.equal((await load({ name: 'b' })).data, '/home/me/.tilemesh/b');
    assert.equal((await load({ data: 'here' })).data, join(cwd, 'here'));
  });

  it('reads the file it is told to, and says when there is none', async () => {
    await write(`export default { mesh: 'other' }`, 'other.mjs');
    assert.equal((await load({}, {}, 'other.mjs')).mesh, 'other');
    await assert.rejects(load({}, {}, 'none.ts'), refuses(/none\.ts: check what --config names/));
  });

  it('says what is wrong with a file that cannot be used', async () => {
    await write('export const config = {};');
    await assert.rejects(load(), refuses(/export default defineConfig/));
    await write('export default {', 'broken.js');
    await assert.rejects(load({}, {}, 'broken.js'), refuses(/broken\.js cannot be loaded/));
  });

  it('reads every environment variable', async () => {
    const env = {
      TILEMESH_NAME: 'n',
      TILEMESH_MESH: 'm',
      TILEMESH_DATA: '/d',
      TILEMESH_MEMBERSHIP: 'pinned',
      TILEMESH_MESH_SECRET: 'a secret of ours',
      TILEMESH_API: '[::1]:9',
      TILEMESH_API_TOKEN: 'a token of theirs',
      TILEMESH_API_TLS: '/c.pem,/k.pem',
      TILEMESH_GRPC_PORT: '8471',
      TILEMESH_LISTEN: '4001',
      TILEMESH_DATA_PLANE: 'streams',
      TILEMESH_BOOTSTRAP: 'a:1, /ip4/10.0.0.7/tcp/2',
      TILEMESH_MDNS: 'false',
      TILEMESH_KERNEL: 'reference',
      TILEMESH_KERNEL_THREADS: '3',
      TILEMESH_KERNEL_ISOLATION: 'process',
      TILEMESH_KERNEL_MACS_PER_SECOND: '2000000000',
      TILEMESH_KERNEL_ARITHMETIC: 'fast',
      TILEMESH_MEMORY_BYTES: '1048576',
      TILEMESH_VERIFY_SHARE: '0.25',
      TILEMESH_LOG_LEVEL: 'debug',
    };
    assert.deepEqual(Object.keys(env), Object.keys(VARIABLES));
    const { origins, ...config } = await load({}, env);
    assert.deepEqual(config, {
      ...defaultsFor(machine),
      name: 'n',
      mesh: 'm',
      data: '/d',
      membership: { level: 'pinned', secret: 'a secret of ours', begin: false },
      api: {
        host: '::1',
        port: 9,
        token: 'a token of theirs',
        tls: { certificate: '/c.pem', key: '/k.pem' },
        grpcPort: 8471,
      },
      listen: { port: 4001, addresses: [] },
      dataPlane: { carrier: 'streams', port: 0 },
      discovery: { mdns: false, bootstrap: ['a:1', '/ip4/10.0.0.7/tcp/2'] },
      kernel: {
        name: 'reference',
        lanes: 0,
        threads: 3,
        isolation: 'process',
        macsPerSecond: 2e9,
        arithmetic: 'fast',
        layers: {},
      },
      memory: { budgetBytes: 2 ** 20 },
      verify: { share: 0.25 },
      log: { level: 'debug' },
    });
    assert.equal(Object.values(origins).filter((origin) => origin !== 'default').length, 22);
  });

  for (const [config, words] of [
    [{ listen: { prot: 1 } }, /^here: listen\.prot is no setting: did you mean listen\.port\?$/],
    [{ Mesh: 'a' }, /Mesh is no setting: did you mean mesh\?/],
    [{ quantumFlux: 1 }, /quantumFlux is no setting: there are name, mesh/],
    [{ listen: { port: '80' } }, /listen\.port must be a whole number from 0 to 65535, not "80"/],
    [{ listen: { port: 70_000 } }, /listen\.port must be a whole number from 0 to 65535, not 70000/],
    [{ listen: 4001 }, /listen must be an object, not 4001/],
    [{ mesh: 'My Mesh' }, /mesh must be 1 to 32 lower-case letters, digits or hyphens/],
    [{ name: '../up' }, /name must be 1 to 63 letters/],
    [{ kernel: { arithmetic: 'quick' } }, /kernel\.arithmetic must be one of exact, fast, not "quick"/],
    [{ kernel: { layers: { conv1: 'fast' } } }, /kernel\.layers\.conv1 must be named by channels and extents/],
    [
      { kernel: { layers: { '64x64@56x56': 'quick' } } },
      /kernel\.layers\.64x64@56x56 must be one of exact, fast, not "quick"/,
    ],
    [{ kernel: { name: 'cuda' } }, /kernel\.name must be one of auto, onnxruntime, wasm, reference, not "cuda"/],
    [{ discovery: { bootstrap: ['nowhere'] } }, /discovery\.bootstrap\.0 must be HOST:PORT or a multiaddress/],
    [{ membership: { level: 'closed' } }, /membership\.level must be one of open, secret, pinned, not "closed"/],
    [{ api: { token: 'short' } }, /^here: api\.token must have at least 16 characters$/],
    [{ api: { tls: { certificate: 'c.pem' } } }, /api\.tls must be "off" or name two files: \{ certificate, key \}/],
    [{ name: '', mesh: '' }, /name must be.*; mesh must be/],
    ['text', /the configuration must be an object/],
  ] as const) {
    it(`refuses ${JSON.stringify(config)} and says what would be right`, () => {
      assert.throws(() => validate(config, 'here'), refuses(words));
    });
  }

  it('tells one mistake of a list that is too long, not one for each of its entries', () => {
    const words = /^here: discovery\.bootstrap must have no more than 256 addresses, not 257$/;
    assert.throws(() => validate({ discovery: { bootstrap: Array(257).fill('/') } }, 'here'), refuses(words));
  });

  it('refuses an environment variable that makes no sense, by name', async () => {
    await assert.rejects(load({}, { TILEMESH_LISTEN: 'many' }), refuses(/^TILEMESH_LISTEN: listen\.port must be/));
    await assert.rejects(load({}, { TILEMESH_API: 'nowhere' }), refuses(/^TILEMESH_API: 'nowhere' is not HOST:PORT/));
  });

  it('counts edits', () => {
    for (const [from, to, edits] of [
      ['', 'abc', 3],
      ['prot', 'port', 2],
      ['kitten', 'sitting', 3],
      ['same', 'same', 0],
    ] as const) {
      assert.equal(editDistance(from, to), edits);
    }
  });

  it('takes a port for gRPC, or none', async () => {
    const read = async (grpcPort: string) =>
      (await loadConfig(repository, {}, undefined, { TILEMESH_GRPC_PORT: grpcPort }, machine)).api.grpcPort;
    assert.deepEqual([await read('8471'), await read('off')], [8471, 'off']);
    for (const wrong of ['70000', 'on', '1.5'])
      await assert.rejects(read(wrong), /must be "off" or a port from 0 to 65535/);
  });

  it('ships a preset that changes nothing and shows the defaults', async () => {
    const shipped = await loadConfig(repository, {}, undefined, {}, machine);
    const { origins: _, ...config } = shipped;
    assert.deepEqual(config, defaultsFor(machine));
    const preset = await readFile(join(repository, 'mesh.config.ts'), 'utf8');
    const settings = [...preset.matchAll(/^ {2}\/\/ (\w+): (.*),$/gm)].map((match) => match[1]);
    assert.deepEqual(new Set(settings), new Set(SETTINGS.map((path) => path.split('.')[0])));
    for (const shown of [
      "mesh: 'default'",
      "api: { host: '127.0.0.1', port: 8470, tls: 'off', grpcPort: 'off' }",
      'listen: { port: 0, addresses: [] }',
      "kernel: { name: 'auto', lanes: 0, threads: 0, isolation: 'thread', macsPerSecond: 0, arithmetic: 'exact', layers: {} }",
      'models: { copies: 5, diskBudgetBytes: 8_589_934_592 }',
      'requests: { maxConcurrent: 4, maxQueued: 64, defaultDeadlineMs: 60_000, drainMs: 30_000 }',
      "membership: { level: 'secret' }",
      "log: { level: 'info' }",
    ]) {
      assert.ok(preset.includes(`// ${shown},`), shown);
    }
    assert.equal(defaultsFor(machine).models.diskBudgetBytes, 8_589_934_592);
  });
});
