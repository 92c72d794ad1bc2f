import assert from 'node:assert/strict';
import type { HeardCard, MachineReadings, PeerCard, Reach } from '../../../src/core/card.ts';
import { asPeerId, type PeerId } from '../../../src/core/ids.ts';
import type { Finding } from '../../../src/cli/doctor/finding.ts';
import { judgeMachine } from '../../../src/cli/doctor/machine.ts';
import { judgeMesh } from '../../../src/cli/doctor/mesh.ts';
import { judgeMulticast, question, type MulticastFacts } from '../../../src/cli/doctor/multicast.ts';
import { judgePorts, probePorts } from '../../../src/cli/doctor/ports.ts';
import { member } from '../../support/fake-peer.ts';

const WELL: MachineReadings = {
  temperatureC: 50,
  isThrottled: false,
  governors: ['performance'],
  cores: 6,
  load: 1,
  memoryBytes: 4e9,
  availableBytes: 2e9,
  swapUsedBytes: 0,
  diskBytes: 32e9,
  diskFreeBytes: 16e9,
};

const idOf = (name: string) => asPeerId(`12D3KooW${name}`);
const [A, B, C] = [idOf('a'), idOf('b'), idOf('c')] as const;

const reach = (peer: PeerId, changes: Partial<Reach> = {}): Reach => ({
  peer,
  name: peer.slice(-1),
  state: 'alive',
  isConnected: true,
  roundTrip: { p50Ms: 1, p99Ms: 2, loss: 0, samples: 64 },
  sentBytes: 0,
  ...changes,
});

const card = (peer: PeerId, reaches: readonly Reach[], changes: Partial<PeerCard> = {}): PeerCard => ({
  peer,
  name: peer.slice(-1),
  mesh: 'home',
  version: '0.1.0',
  runtime: 'v24.0.0',
  platform: 'linux arm64',
  kernel: 'onnxruntime',
  unixMs: 0,
  uptimeMs: 1,
  machine: WELL,
  tiles: 0,
  tilesPerSecond: 0,
  errors: 0,
  addresses: ['/ip4/10.0.0.7/tcp/4001'],
  reaches,
  ...changes,
});

const heard = (own: PeerCard, changes: Partial<HeardCard> = {}): HeardCard => ({
  peer: own.peer,
  card: own,
  clockSkewMs: 5,
  roundTripMs: 1,
  reason: '',
  ...changes,
});

const MEMBERS = [A, B, C].map((id) => member({ id, name: id.slice(-1), isSelf: id === A }));
const ALL = [
  heard(card(A, [reach(B), reach(C)])),
  heard(card(B, [reach(A), reach(C)])),
  heard(card(C, [reach(A), reach(B)])),
];
const trouble = (findings: readonly Finding[]): readonly Finding[] => findings.filter(({ level }) => level !== 'ok');
const mesh = (cards: readonly HeardCard[], members = MEMBERS) => trouble(judgeMesh({ members, cards }));

/** Every fault comes with its cause and what mends it. */
function assertExplained(findings: readonly Finding[], expected: readonly (readonly [string, string, string])[]): void {
  assert.deepEqual(
    findings.map(({ check, level, subject }) => [check, level, subject]),
    expected,
  );
  for (const { cause, remedy, check } of findings) assert.ok(cause !== undefined && remedy !== undefined, check);
}

describe('cli/doctor', () => {
  it('finds nothing wrong with a mesh that is well', () => {
    assert.deepEqual(mesh(ALL), []);
    assert.deepEqual(trouble(judgeMachine('m', WELL)), []);
  });

  it('finds what slows a board down or may end its peer', () => {
    const cases: readonly (readonly [Partial<MachineReadings>, string, string])[] = [
      [{ isThrottled: true }, 'heat', 'problem'],
      [{ temperatureC: 84 }, 'heat', 'warning'],
      [{ governors: ['schedutil', 'powersave'] }, 'governor', 'warning'],
      [{ diskFreeBytes: 0.5e9 }, 'disk', 'warning'],
      [{ diskFreeBytes: 0.05e9 }, 'disk', 'problem'],
      [{ availableBytes: 0.2e9 }, 'memory', 'problem'],
      [{ swapUsedBytes: 0.5e9 }, 'memory', 'warning'],
    ];
    for (const [change, check, level] of cases) {
      assertExplained(trouble(judgeMachine('m', { ...WELL, ...change })), [[check, level, 'm']]);
    }
  });

  it('says nothing of what a machine does not say', () => {
    const silent = {
      ...WELL,
      temperatureC: null,
      isThrottled: null,
      governors: [],
      memoryBytes: null,
      diskBytes: null,
    };
    assert.deepEqual(judgeMachine('m', silent), []);
  });

  it('finds pairs of which one or none reaches the other', () => {
    const oneWay = [ALL[0]!, ALL[1]!, heard(card(C, [reach(A), reach(B, { isConnected: false })]))];
    assertExplained(mesh(oneWay), [['reachability', 'problem', 'b - c']]);
    assert.match(mesh(oneWay)[0]!.text, /^b reaches c, but c does not reach b$/);
    const unknown = [ALL[0]!, heard(card(B, [reach(A)])), heard(card(C, [reach(A)]))];
    assert.match(mesh(unknown)[0]!.text, /^b and c do not reach each other$/);
  });

  it('finds peers that are gone, that do not answer, differ, or whose clock is off', () => {
    const failed = MEMBERS.map((own) =>
      own.id === C ? { ...own, state: 'failed' as const, lastSeenMs: 61_000 } : own,
    );
    assertExplained(mesh(ALL.slice(0, 2), failed), [['members', 'problem', 'c']]);
    const mute: HeardCard = { peer: C, card: null, clockSkewMs: 0, roundTripMs: 0, reason: 'too late' };
    assertExplained(mesh([ALL[0]!, ALL[1]!, mute]), [['answers', 'problem', 'c']]);
    const other = heard({ ...ALL[2]!.card!, version: '0.2.0' });
    assertExplained(mesh([ALL[0]!, ALL[1]!, other]), [['versions', 'warning', 'mesh']]);
    assertExplained(mesh([ALL[0]!, ALL[1]!, heard(ALL[2]!.card!, { clockSkewMs: -90_000 })]), [
      ['clock', 'warning', 'c'],
    ]);
    assert.deepEqual(mesh([ALL[0]!, ALL[1]!, heard(ALL[2]!.card!, { clockSkewMs: 1500, roundTripMs: 900 })]), []);
    const slow = heard({ ...ALL[2]!.card!, kernel: 'wasm' });
    assertExplained(mesh([ALL[0]!, ALL[1]!, slow]), [['kernel', 'warning', 'c']]);
  });

  it('finds losses, once there are enough samples to speak of', () => {
    const lossy = (samples: number) => [
      heard(card(A, [reach(B, { roundTrip: { p50Ms: 1, p99Ms: 9, loss: 0.2, samples } }), reach(C)])),
      ALL[1]!,
      ALL[2]!,
    ];
    assertExplained(mesh(lossy(64)), [['losses', 'warning', 'a - b']]);
    assert.deepEqual(mesh(lossy(4)), []);
  });

  it('finds what is wrong with multicast', () => {
    const well: MulticastFacts = {
      interfaces: [{ name: 'eth0', address: '10.0.0.7', cidr: '10.0.0.7/24' }],
      bindError: null,
      sendError: null,
      failing: {},
      cameBack: true,
      answers: ['10.0.0.8'],
    };
    const judge = (change: Partial<MulticastFacts>, others = 2) =>
      trouble(judgeMulticast({ ...well, ...change }, others));
    assert.deepEqual(judge({}), []);
    assertExplained(judge({ interfaces: [] }), [['interfaces', 'problem', 'this machine']]);
    assertExplained(judge({ bindError: 'EADDRINUSE' }), [['port 5353', 'problem', 'this machine']]);
    assertExplained(judge({ sendError: 'ENETUNREACH' }), [['multicast', 'problem', 'this machine']]);
    assert.equal(judge({ sendError: 'ENETUNREACH' })[0]!.remedy, 'sudo ip route add 224.0.0.0/4 dev eth0');
    assertExplained(judge({ cameBack: false }), [['multicast', 'problem', 'this machine']]);
    assertExplained(judge({ answers: [] }), [['multicast', 'warning', 'this machine']]);
    assert.deepEqual(judge({ answers: [] }, 0), []);
    const vlan = { name: 'eth0.20', address: '10.0.20.7', cidr: '10.0.20.7/24' };
    assertExplained(judge({ interfaces: [...well.interfaces, vlan] }), [['interfaces', 'warning', 'this machine']]);
    assert.deepEqual(
      judge({ interfaces: [...well.interfaces, { ...well.interfaces[0]!, address: '10.0.0.9', cidr: '10.0.0.9/24' }] }),
      [],
    );
  });

  it('asks by multicast as RFC 1035 wants it', () => {
    assert.equal(
      question('_a.local').toString('hex'),
      `${'0000'.repeat(2)}0001${'0000'.repeat(3)}025f61056c6f63616c00000c0001`,
    );
  });

  it('finds ports that are closed, and not those that are open', async () => {
    const { createServer } = await import('node:net');
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    try {
      const cards = [port, 9].map((own, index) =>
        heard(card([A, B][index]!, [], { addresses: [`/ip4/127.0.0.1/tcp/${own}`] })),
      );
      const findings = judgePorts(await probePorts(cards));
      assert.deepEqual(
        findings.map(({ level, subject }) => [level, subject]),
        [
          ['ok', 'a'],
          ['problem', 'b'],
        ],
      );
    } finally {
      server.close();
    }
  });
});
