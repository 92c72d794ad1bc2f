/** Whole peers of this build and of one with the next version of every protocol, in one mesh, over real connections. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as answers from '../../../protocols/answers/constants.ts';
import * as blobs from '../../../protocols/blobs/constants.ts';
import * as election from '../../../protocols/election/constants.ts';
import * as health from '../../../protocols/health/constants.ts';
import * as inspect from '../../../protocols/inspect/constants.ts';
import * as lanes from '../../../protocols/lane/constants.ts';
import * as pieces from '../../../protocols/pieces/constants.ts';
import * as plan from '../../../protocols/plan/constants.ts';
import * as trust from '../../../protocols/trust/constants.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { RequestId } from '../../../src/core/ids.ts';
import { fromFloat32 } from '../../../src/core/tensor/tensor.ts';
import { createPeer, type Peer } from '../../../src/node.ts';
import type { ProtocolVersions } from '../../../src/protocol-services.ts';

const bumped = ({ PROTOCOL_ID: current }: { readonly PROTOCOL_ID: string }) => ({
  protocol: current.replace(/(\d+)\.\d+\.\d+$/, (_, major: string) => `${Number(major) + 1}.0.0`),
  olderProtocols: [current],
});
const NEXT = {
  answers: bumped(answers),
  blobs: bumped(blobs),
  charters: bumped(trust),
  election: bumped(election),
  health: bumped(health),
  inspect: bumped(inspect),
  lanes: bumped(lanes),
  pieces: bumped(pieces),
  plan: bumped(plan),
} satisfies ProtocolVersions;

describe('a mesh that is being upgraded', function () {
  this.timeout(180_000);
  const peers: Peer[] = [];
  let folder: string;

  async function add(name: string, versions: ProtocolVersions): Promise<void> {
    const config = {
      name,
      data: join(folder, name),
      api: { host: '127.0.0.1', port: 0 },
      listen: { addresses: ['127.0.0.1'] },
      kernel: { threads: 1, macsPerSecond: 1e9 },
      membership: { secret: 'of the mesh that is upgraded' },
      discovery: { mdns: false, bootstrap: peers.flatMap((peer) => peer.members()[0]!.addresses) },
      log: { level: 'silent' },
    };
    peers.push(await createPeer(await loadConfig(folder, config), versions));
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-upgrade-'));
    await add('old', {});
    await add('new', NEXT);
    await add('newer', NEXT);
    for (const peer of peers) {
      for (let turn = 0; peer.members().filter(({ state }) => state === 'alive').length < peers.length; turn++) {
        assert.ok(turn < 1_000, 'they do not see each other');
        await setTimeout(50);
      }
    }
  });

  after(async () => {
    for (const peer of peers) await peer.stop();
    await rm(folder, { recursive: true });
  });

  it('answers at every peer, with every peer taking part, and knows an id again', async () => {
    const values = Float32Array.from({ length: 28 * 28 }, (_, index) => ((index * 37) % 19 > 9 ? 1 : 0));
    const inputs = new Map([['image', fromFloat32([1, 1, 28, 28], values)]]);
    const ask = (peer: Peer, requestId?: RequestId) =>
      peer.infer({
        model: 'lenet5',
        inputs,
        parallelism: peers.length,
        signal: AbortSignal.timeout(60_000),
        ...(requestId === undefined ? {} : { requestId }),
      });
    const expected = (await ask(peers[0]!)).outputs;
    const seen = new Set<string>();
    for (let turn = 0; turn < 12; turn++) {
      const { outputs, report } = await ask(peers[turn % peers.length]!);
      assert.deepEqual(outputs, expected);
      for (const { parts } of report.blocks) for (const { peer } of parts) seen.add(peer);
    }
    assert.equal(seen.size, peers.length);
    const id = 'ab'.repeat(16) as RequestId;
    const first = await ask(peers[1]!, id);
    for (const peer of peers) assert.deepEqual((await ask(peer, id)).report, first.report);
  });

  it('asks each other how they are, old and new', async () => {
    for (const peer of peers) {
      const cards = await peer.insight.cards(AbortSignal.timeout(10_000));
      assert.deepEqual(
        cards.map(({ card }) => card?.version),
        peers.map(({ self }) => self.version),
      );
    }
  });
});
