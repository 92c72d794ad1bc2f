import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { credentials, loadPackageDefinition, type Client, type ServiceClientConstructor } from '@grpc/grpc-js';
import { load } from '@grpc/proto-loader';
import { ServerCertificate } from '../../../src/api/certificate.ts';
import type { Api, ApiOptions } from '../../../src/api/server.ts';
import { judgeCertificates, probeCertificates } from '../../../src/cli/doctor/certificate.ts';
import { Authority, replaceIssued } from '../../support/certificates.ts';
import { fakePeer, startFakeApi, TOKEN } from '../../support/fake-peer.ts';

const run = promisify(execFile);
const BIN = fileURLToPath(new URL('../../../bin/tilemesh.js', import.meta.url));
const PROTO = fileURLToPath(new URL('../../../protocols/inference/inference.proto', import.meta.url));
const DAY_MS = 86_400_000;

interface Outcome {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const outcomeOf = (command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> =>
  new Promise((resolve) => {
    const options = { timeout: 60_000, env: { ...process.env, ...env } };
    execFile(command, args, options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });

/** The fingerprint of what is shown at a port, whoever issued it. */
const shownAt = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const { fingerprint256 } = socket.getPeerX509Certificate()!;
      socket.destroy();
      resolve(fingerprint256);
    });
  });

describe('api/certificate', function () {
  this.timeout(120_000);
  let folder: string;
  let authority: Authority;
  const apis: Api[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-tls-'));
    authority = await Authority.create(folder);
  });
  afterEach(async () => {
    await Promise.all(apis.splice(0).map((api) => api.close()));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function serve(certificate: ServerCertificate, options: Partial<ApiOptions> = {}): Promise<Api> {
    const api = await startFakeApi(fakePeer(), { certificate, ...options });
    apis.push(api);
    return api;
  }

  it('is shown to curl, which takes it from its authority and from nobody else', async () => {
    const api = await serve(await ServerCertificate.load(await authority.issue('curl')));
    assert.match(api.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    const { stdout } = await run('curl', ['-sS', '--cacert', authority.path, `${api.url}/v2/health/ready`]);
    assert.deepEqual(JSON.parse(stdout), { ready: true });
    const { code } = await outcomeOf('curl', ['-sS', `${api.url}/v2/health/ready`]);
    assert.equal(code, 60, 'not trusted');
    const plain = await outcomeOf('curl', ['-sS', `http://127.0.0.1:${api.port}/v2/health/ready`]);
    assert.notEqual(plain.code, 0, 'nothing is answered in the clear');
  });

  it('does not take the place of the token on the network', async () => {
    const api = await serve(await ServerCertificate.load(await authority.issue('network')), { host: '0.0.0.0' });
    const url = `https://127.0.0.1:${api.port}/v2`;
    const status = async (...more: string[]) =>
      (await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', '--cacert', authority.path, ...more, url]))
        .stdout;
    assert.equal(await status(), '401');
    assert.equal(await status('-H', `authorization: Bearer ${TOKEN}`), '200');
  });

  it('is that of gRPC as well', async () => {
    const api = await serve(await ServerCertificate.load(await authority.issue('grpc')), { grpcPort: 0 });
    const { inference } = loadPackageDefinition(await load(PROTO)) as unknown as {
      readonly inference: { readonly GRPCInferenceService: ServiceClientConstructor };
    };
    const ask = (trusted: Buffer | null) => {
      const client: Client & Record<string, unknown> = new inference.GRPCInferenceService(
        `localhost:${api.grpcPort}`,
        credentials.createSsl(trusted),
      );
      const serverLive = client.serverLive as (
        request: object,
        options: object,
        done: (error: Error | null, response: unknown) => void,
      ) => void;
      return new Promise((resolve, reject) => {
        serverLive.call(client, {}, { deadline: Date.now() + 20_000 }, (error, response) => {
          client.close();
          if (error === null) resolve(response);
          else reject(error);
        });
      });
    };
    assert.deepEqual(await ask(await readFile(authority.path)), { live: true });
    await assert.rejects(ask(null));
  });

  it('is followed by the next one while the peer runs, and stays when the next one is of no use', async () => {
    const [files, next] = await Promise.all([authority.issue('first'), authority.issue('next')]);
    const certificate = await ServerCertificate.load(files);
    const api = await serve(certificate, { grpcPort: 0 });
    const before = await shownAt(api.port);
    assert.equal(await certificate.refresh(), false);
    await writeFile(files.key, 'half of a key');
    await assert.rejects(certificate.refresh(), { code: 'INVALID_CONFIG' });
    assert.deepEqual([await shownAt(api.port), await shownAt(api.grpcPort!)], [before, before]);
    await replaceIssued(files, next);
    assert.equal(await certificate.refresh(), true);
    const after = await shownAt(api.port);
    assert.notEqual(after, before);
    assert.equal(await shownAt(api.grpcPort!), after);
  });

  it('is refused with the file and the reason when it cannot be used', async () => {
    const [one, other] = await Promise.all([authority.issue('one'), authority.issue('other')]);
    const text = join(folder, 'text.pem');
    await writeFile(text, 'no certificate');
    const cases = [
      [{ ...one, certificate: '/none.pem' }, /^api\.tls\.certificate: there is no file \/none\.pem$/],
      [{ ...one, key: '/none.key' }, /^api\.tls\.key: there is no file \/none\.key$/],
      [{ ...one, certificate: text }, /^api\.tls\.certificate: .*text\.pem is not a certificate in PEM$/],
      [{ ...one, key: text }, /^api\.tls\.key: .*text\.pem is not a private key in PEM without a passphrase$/],
      [{ ...one, key: other.key }, /^api\.tls\.key: .*other\.key is not the key of .*one\.pem/],
    ] as const;
    for (const [files, message] of cases) {
      await assert.rejects(ServerCertificate.load(files), { code: 'INVALID_CONFIG', message });
    }
    const late = Date.now() + 91 * DAY_MS;
    await assert.rejects(ServerCertificate.load(one, late), { message: /one\.pem is out of date since .*: renew it$/ });
    const early = Date.now() - DAY_MS;
    await assert.rejects(ServerCertificate.load(one, early), { message: /is not valid before .*: check the clock/ });
  });

  it('is taken by the command line from the authority that --ca names, and the reason is told otherwise', async () => {
    const api = await serve(await ServerCertificate.load(await authority.issue('command')));
    const peers = (...args: string[]) => outcomeOf(process.execPath, [BIN, 'peers', '--api', api.url, ...args]);
    const [trusted, untrusted, wrong] = await Promise.all([
      peers('--ca', authority.path),
      peers(),
      peers('--ca', '/none.pem'),
    ]);
    assert.deepEqual([trusted.code, trusted.stderr], [0, '']);
    assert.match(trusted.stdout, /kitchen \(this peer\)/);
    assert.equal(untrusted.code, 3);
    assert.match(untrusted.stderr, /is not trusted \([A-Z_]+\): name its authority with --ca FILE\n$/);
    assert.deepEqual([wrong.code, wrong.stderr.includes('--ca /none.pem cannot be read')], [2, true]);
    const env = { TILEMESH_CA: authority.path };
    assert.equal((await outcomeOf(process.execPath, [BIN, 'health', '--api', api.url], env)).code, 0);
  });

  it('is told of by doctor when it ends soon', async () => {
    const api = await serve(await ServerCertificate.load(await authority.issue('doctor', 30)));
    const facts = await probeCertificates([new URL(api.url), new URL('http://127.0.0.1:9')]);
    const levels = [0, 10, 31].map((days) => judgeCertificates(facts, Date.now() + days * DAY_MS)[0]!.level);
    assert.deepEqual([facts.length, ...levels], [1, 'ok', 'warning', 'problem']);
  });
});

describe('api', () => {
  it('does not start where other machines reach it and nothing protects it, and says how', async () => {
    await assert.rejects(startFakeApi(fakePeer(), { host: '0.0.0.0', token: '' }), {
      code: 'INVALID_CONFIG',
      message: /there is no token: set api\.token \(TILEMESH_API_TOKEN\), or keep the API to this machine/,
    });
  });
});
