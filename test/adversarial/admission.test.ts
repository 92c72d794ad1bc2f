/** Who is let in and who is not, over real connections on the loopback address. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { identify } from '@libp2p/identify';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { PROTOCOL_ID } from '../../protocols/health/constants.ts';
import type { MeshError } from '../../src/core/errors.ts';
import type { StrangerLimits } from '../../src/mesh/strangers.ts';
import { requestGrant } from '../../src/mesh/trust/join.ts';
import { silentLogger } from '../../src/observability/logger.ts';
import { createBoard, type Board } from '../integration/mesh/board.ts';
import { Identities, type Identity } from '../support/trusting.ts';

const identities = new Identities();
let boards: Board[] = [];
let cleanUp: (() => unknown)[] = [];

async function board(
  identity: Identity,
  bootstrap: readonly string[] = [],
  strangers?: StrangerLimits,
): Promise<Board> {
  const made = await createBoard('board', {
    ...identity,
    bootstrap,
    ...(strangers === undefined ? {} : { strangers }),
  });
  boards.push(made);
  await made.start();
  return made;
}

const addressOf = ({ host }: Board): string => host.getMultiaddrs()[0]!.toString();
const dial = ({ host }: Board, address: string) =>
  host.dial(multiaddr(address), { signal: AbortSignal.timeout(10_000) });

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 15_000;
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Resolves when the other end has closed it, in good order or not. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => void socket.on('error', () => undefined).once('close', () => resolve()));

const areConnected = (one: Board, other: Board): boolean =>
  one.host.getConnections(other.host.peerId).length > 0 && other.host.getConnections(one.host.peerId).length > 0;

/** Passes bytes on between two ends, and shows them. */
async function relay(to: string, onBytes: (bytes: Buffer, from: 'client' | 'server') => Buffer): Promise<string> {
  const [, port] = /\/tcp\/(\d+)/.exec(to)!;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), '127.0.0.1');
    for (const [from, socket, other] of [
      ['client', client, upstream],
      ['server', upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('data', (bytes) => other.write(onBytes(bytes, from)));
      socket.on('error', () => other.destroy()).on('close', () => other.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`;
}

describe('admission to a mesh', function () {
  this.timeout(60_000);

  afterEach(async () => {
    for (const step of cleanUp.splice(0)) await step();
    await Promise.all(boards.map(({ membership }) => membership.stop()));
    await Promise.all(boards.map(async ({ host }) => host.stop()));
    boards = [];
    await identities.clear();
  });
  beforeEach(() => (cleanUp = []));

  it('lets in who joined by invitation', async () => {
    const founder = await identities.founder();
    const first = await board(founder);
    const second = await board(await identities.member(founder), [addressOf(first)]);
    await until('both are members', () => first.membership.view().members.length === 2);
    assert.ok(areConnected(first, second));
  });

  it('gives a stranger that speaks libp2p no protocol, no version and no address', async () => {
    const first = await board(await identities.founder());
    const stranger = await createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionGater: { denyDialMultiaddr: () => false },
      services: { identify: identify() },
    });
    cleanUp.push(() => stranger.stop());
    const identified: unknown[] = [];
    stranger.addEventListener('peer:identify', ({ detail }) => identified.push(detail));
    const address = multiaddr(addressOf(first));
    // Without the proof there is no multiplexer, so that no stream of any protocol can be opened.
    await assert.rejects(
      stranger.dialProtocol(address, [PROTOCOL_ID, '/ipfs/id/1.0.0', '/ipfs/ping/1.0.0'], {
        signal: AbortSignal.timeout(20_000),
      }),
    );
    assert.deepEqual(identified, []);
    assert.equal(first.host.getConnections().length, 0);
    assert.equal(first.membership.members().length, 1);
  });

  it('refuses who holds another key, in both directions', async () => {
    const [one, other] = [await board(await identities.founder()), await board(await identities.founder())];
    await assert.rejects(dial(one, addressOf(other)), /does not belong to this mesh/);
    await assert.rejects(dial(other, addressOf(one)));
    assert.ok(!areConnected(one, other));
  });

  it('gains nothing by replaying what a member said', async () => {
    const founder = await identities.founder();
    const first = await board(founder);
    const said: Buffer[] = [];
    const address = await relay(addressOf(first), (bytes, from) => {
      if (from === 'client') said.push(Buffer.from(bytes));
      return bytes;
    });
    const second = await board(await identities.member(founder));
    await dial(second, address);
    await until('connected', () => first.host.getConnections().length === 1);
    await second.host.stop();
    await until('gone', () => first.host.getConnections().length === 0);
    const [, port] = /\/tcp\/(\d+)/.exec(addressOf(first))!;
    const replayer = connect(Number(port), '127.0.0.1');
    cleanUp.push(() => replayer.destroy());
    let opened = 0;
    first.host.addEventListener('connection:open', () => opened++);
    for (const bytes of said) replayer.write(bytes);
    await closed(replayer);
    assert.equal(opened, 0);
  });

  it('breaks off when somebody in between alters a single byte', async () => {
    const founder = await identities.founder();
    const first = await board(founder);
    let passed = 0;
    const address = await relay(addressOf(first), (bytes, from) => {
      const before = passed;
      if (from === 'server') passed += bytes.byteLength;
      // Behind the choice of the encrypter, which is in the clear.
      const index = 200 - before;
      if (from === 'server' && index >= 0 && index < bytes.byteLength) bytes[index]! ^= 1;
      return bytes;
    });
    const second = await board(await identities.member(founder));
    await assert.rejects(dial(second, address));
    assert.ok(!areConnected(first, second));
  });

  it('does not take a stranger in between for a member, though it reaches both', async () => {
    const founder = await identities.founder();
    const first = await board(founder);
    const second = await board(await identities.member(founder));
    // It ends both encrypted connections itself and passes on what each says, as its own identity.
    const middle = await identities.stranger();
    const between = await board(middle);
    await assert.rejects(dial(second, addressOf(between)));
    // Members name whom they expect: an address with another identity behind it is not used.
    const impostor = addressOf(between).replace(/\/p2p\/.*/, `/p2p/${first.membership.self}`);
    await assert.rejects(dial(second, impostor));
    assert.equal(second.host.getConnections().length, 0);
  });

  it('shuts out a banned peer everywhere, at once and for good, also under a new name', async () => {
    const founder = await identities.founder();
    const first = await board(founder);
    const lost = await identities.member(founder);
    const third = await board(await identities.member(founder), [addressOf(first)]);
    const losing = await board(lost, [addressOf(first), addressOf(third)]);
    await until('all know each other', () =>
      [first, third, losing].every(({ membership }) => membership.view().members.length === 3),
    );

    await founder.trust.ban(lost.peer);
    await until('everywhere', () =>
      [first, third].every(({ host }) => host.getConnections(losing.host.peerId).length === 0),
    );
    await until('the others stay', () => areConnected(first, third));
    await assert.rejects(dial(losing, addressOf(third)));

    // Whoever holds the stolen key cannot come in with another identity, either.
    const disguised = await identities.stranger();
    await assert.rejects(dial(await board({ ...disguised, trust: lost.trust }), addressOf(third)));
    // And it lasts over a restart of those who refuse.
    assert.ok((await identities.again(founder)).trust.isBanned(lost.peer));
  });

  it('forgives whom the administrator forgives', async () => {
    const founder = await identities.founder();
    const first = await board(founder);
    const banned = await identities.member(founder);
    await founder.trust.ban(banned.peer);
    await founder.trust.unban(banned.peer);
    founder.trust.checkIdentity(banned.peer);
    const back = await board(banned);
    // It had never been met before its key was replaced: it needs a new invitation.
    await assert.rejects(dial(back, addressOf(first)));
  });

  it('changes its key while everything runs, and takes back a board that was switched off meanwhile', async () => {
    const founder = await identities.founder();
    const first = await board(founder);
    const sleeping = await identities.member(founder);
    const second = await board(await identities.member(founder), [addressOf(first)]);
    let asleep = await board(sleeping, [addressOf(first)]);
    await until('all are there', () => first.membership.view().members.length === 3);
    await asleep.membership.stop();
    await asleep.host.stop();
    boards = boards.filter((other) => other !== asleep);

    const [before] = founder.trust.keys();
    await founder.trust.rotate();
    const [after] = founder.trust.keys();
    assert.notEqual(before!.tag, after!.tag);
    assert.ok(areConnected(first, second));
    const third = await identities.again(sleeping);
    asleep = await board(third, [addressOf(first)]);
    await until('it is back', () => areConnected(first, asleep));
    await until('it has the new key', () => third.trust.keys()[0]?.tag === after!.tag);
  });

  it('at the level pinned waits for the approval of each identity', async () => {
    const founder = await identities.founder({ level: 'pinned' });
    const first = await board(founder);
    const applicant = await identities.member(founder, { level: 'pinned' });
    const second = await board(applicant);
    await assert.rejects(dial(second, addressOf(first)));
    assert.deepEqual(
      founder.trust.view().pending.map(({ peer }) => peer),
      [applicant.peer],
    );
    await founder.trust.trust(applicant.peer);
    await dial(second, addressOf(first));
    await until('connected', () => areConnected(first, second));
    assert.deepEqual(founder.trust.view().pending, []);
  });

  it('hands the key to who types the token, once, and to nobody else', async () => {
    const founder = await identities.founder();
    const first = await board(founder);
    const { token } = founder.trust.invite();
    const join = async (typed: string) =>
      requestGrant({
        token: typed,
        privateKey: (await identities.stranger()).privateKey,
        bootstrap: [addressOf(first)],
        mdns: false,
        logger: silentLogger(),
        signal: AbortSignal.timeout(20_000),
      });
    const isNobody = (error: unknown): boolean => (error as MeshError).code === 'NOT_FOUND';
    await assert.rejects(join('0000-0000-0000'), isNobody);
    const grant = await join(token.toLowerCase().replaceAll('-', ' '));
    assert.deepEqual(grant.charter, founder.trust.signed);
    assert.equal(grant.adminPrivateKey, null);
    await assert.rejects(join(token), isNobody);
  });

  it('lets one member hold four connections and no more, and others the rest', async () => {
    const founder = await identities.founder();
    const one = await board(founder);
    const many = await board(await identities.member(founder));
    const other = await board(await identities.member(founder));
    let seen = 0;
    for (let index = 0; index < 8; index++) {
      const options = { force: true, signal: AbortSignal.timeout(10_000) };
      // Those that are refused may end while they are being made.
      await many.host.dial(multiaddr(addressOf(one)), options).catch(() => undefined);
      seen = Math.max(seen, one.host.getConnections(many.host.peerId).length);
    }
    assert.ok(seen >= 4, `only ${seen} came about`);
    const count = (): number => one.host.getConnections(many.host.peerId).length;
    await until('the connections beyond four are closed', () => count() <= 4);
    assert.ok(count() >= 1);
    await dial(other, addressOf(one));
    assert.ok(areConnected(one, other));
  });

  it('ends a connection that says nothing, and gives an address few of them at a time', async () => {
    const limits = { maxPerAddress: 2, maxLocal: 2, patienceMs: 500 };
    const first = await board(await identities.founder(), [], limits);
    const [, port] = /\/tcp\/(\d+)/.exec(addressOf(first))!;
    const knock = (): Promise<void> => {
      const socket = connect(Number(port), '127.0.0.1').resume();
      cleanUp.push(() => socket.destroy());
      return closed(socket);
    };
    const ends: string[] = [];
    await Promise.all(['first', 'second', 'third'].map((name) => knock().then(() => ends.push(name))));
    // The third was closed at once, the others when their time was up.
    assert.equal(ends[0], 'third');
    assert.equal(first.host.getConnections().length, 0);
  });
});
