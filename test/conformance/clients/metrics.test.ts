/** `/metrics` as Prometheus' own `promtool` reads it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Peer } from '../../../src/node.ts';
import { debianProgram } from '../../support/debian.ts';
import { get, post } from '../../support/http-client.ts';
import { startLonePeer } from '../../support/lone-peer.ts';

const PATIENCE_MS = 180_000;
const DIGIT = { name: 'image', datatype: 'FP32', shape: [1, 1, 28, 28], data: Array<number>(784).fill(0) };

describe('/metrics of a peer', () => {
  let folder: string;
  let peer: Peer;
  let metrics: string;
  before(async function () {
    this.timeout(PATIENCE_MS);
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-metrics-'));
    peer = await startLonePeer(folder);
    const answer = await post(`${peer.apiUrl}/v2/models/lenet5/infer`, { inputs: [DIGIT] });
    assert.equal(answer.status, 200, answer.bytes.toString());
    await get(`${peer.apiUrl}/metrics`);
    metrics = (await get(`${peer.apiUrl}/metrics`)).bytes.toString();
  });
  after(async () => {
    await peer.stop();
    await rm(folder, { recursive: true });
  });

  const valueOf = (name: string): number => {
    const line = metrics
      .split('\n')
      .find((candidate) => candidate.startsWith(`${name} `) || candidate.startsWith(`${name}{`));
    assert.ok(line !== undefined, `there is no ${name}`);
    return Number(line.split(' ').at(-1));
  };

  it('count the request, its tiles and its time, once however often they are read', () => {
    assert.equal(valueOf('tilemesh_inference_request_success_total'), 1);
    assert.equal(valueOf('tilemesh_inference_count_total'), 1);
    assert.equal(valueOf('tilemesh_entry_tiles_total'), 1);
    assert.ok(valueOf('tilemesh_inference_compute_infer_duration_seconds_total') > 0);
    assert.equal(valueOf('tilemesh_peer_ready'), 1);
  });

  it("hold libp2p's own, and no peer's id", () => {
    assert.ok(valueOf('libp2p_transport_manager_listeners') >= 1);
    assert.ok(!metrics.includes(peer.self.id));
  });

  it('have nothing that promtool finds fault with', async function () {
    this.timeout(PATIENCE_MS);
    const { program, ...found } = await debianProgram('promtool', 'prometheus');
    if (program === undefined) {
      console.log(`promtool: ${'missing' in found ? found.missing : 'not found'}`);
      this.skip();
    }
    const promtool = spawn(program, ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
    promtool.stdin.end(metrics);
    const [out, complaints, code] = await Promise.all([
      text(promtool.stdout),
      text(promtool.stderr),
      new Promise((resolve) => promtool.once('close', resolve)),
    ]);
    assert.deepEqual([code, out, complaints], [0, '', '']);
  });
});
