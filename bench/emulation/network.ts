/**
 * A switch and the cables to it: a network namespace for each board, joined by a bridge. Both ends of each cable send no
 * faster than the line rate (a token bucket, `tc tbf`), so that a board's traffic is limited in both directions.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError } from '../../src/core/errors.ts';
import { abandoned, bridgeName, linkName, namespaceName, otherBridgeName, ownerOf } from './ownership.ts';
import { runProgram } from './system.ts';

const ip = (...args: readonly string[]): Promise<string> => runProgram('ip', ...args);

const BURST = '16kb';
/**
 * Bytes that the system hands to a cable as one packet, less than the burst: larger ones are cut into frames of 1,500 bytes
 * there, which costs so much processor time that a Gigabit cable carries no more than a third.
 */
const MAX_PACKET = '15000';
/** How long a packet may wait for the line before it is dropped; a small switch has less. */
const QUEUE_LATENCY = '50ms';
const LINKS = '/sys/class/net';
/** Addresses of a network of 256, without the first (the bridge) and the last. */
export const MAX_BOARDS = 250;

/** Bytes that passed one end of a cable. */
export interface LinkTraffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface NetworkOptions {
  readonly boards: number;
  /** Megabits a second, each way. */
  readonly linkMbit: number;
}

export class Network {
  readonly #subnet: string;
  readonly #boards: number;
  readonly #linkMbit: number;

  private constructor(subnet: string, { boards, linkMbit }: NetworkOptions) {
    this.#subnet = subnet;
    this.#boards = boards;
    this.#linkMbit = linkMbit;
  }

  /** Lays all cables. When that fails, `removeNetwork('own')` removes what is there already. @throws MeshError UNAVAILABLE. */
  static async create(options: NetworkOptions): Promise<Network> {
    const { boards, linkMbit } = options;
    const network = new Network(await freeSubnet(), options);
    const bridge = bridgeName(process.pid);
    const other = otherBridgeName(process.pid);
    await ip('link', 'add', other, 'type', 'bridge', 'mcast_snooping', '0');
    await ip('link', 'set', other, 'up', 'gso_max_size', MAX_PACKET);
    await ip('link', 'add', bridge, 'type', 'bridge', 'mcast_snooping', '0');
    await ip('address', 'add', `${network.#subnet}.254/24`, 'dev', bridge);
    await ip('link', 'set', bridge, 'up', 'gso_max_size', MAX_PACKET);
    for (let board = 1; board <= boards; board++) {
      const namespace = namespaceName(process.pid, board);
      const link = linkName(process.pid, board);
      await ip('netns', 'add', namespace);
      await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
      await ip('link', 'set', link, 'master', bridge, 'up');
      await ip('-n', namespace, 'address', 'add', `${network.address(board)}/24`, 'dev', 'eth0');
      await ip('-n', namespace, 'link', 'set', 'lo', 'up');
      await ip('-n', namespace, 'link', 'set', 'eth0', 'up', 'gso_max_size', MAX_PACKET);
      // Multicast goes where a route leads; none leads out of the machine.
      await ip('-n', namespace, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0');
      await shape('add', board, linkMbit);
    }
    return network;
  }

  address(board: number): string {
    return `${this.#subnet}.${board}`;
  }

  /** The words before a command that run it on a board's side of the cable. */
  prefix(board: number): readonly string[] {
    return ['ip', 'netns', 'exec', namespaceName(process.pid, board)];
  }

  /** Pulls the cable of a board out of the switch, or puts it back. */
  async connect(board: number, isIn: boolean): Promise<void> {
    await ip('link', 'set', linkName(process.pid, board), isIn ? 'up' : 'down');
  }

  /** @param linkMbit null: as at the beginning. */
  async setRate(board: number, linkMbit: number | null): Promise<void> {
    await shape('change', board, linkMbit ?? this.#linkMbit);
  }

  /** Plugs a board into another switch, which leads nowhere else, or back into the first. */
  async setApart(board: number, isApart: boolean): Promise<void> {
    const bridge = (isApart ? otherBridgeName : bridgeName)(process.pid);
    await ip('link', 'set', linkName(process.pid, board), 'master', bridge);
  }

  /** What each board has sent and received so far, in the order of boards, headers of all layers included. */
  traffic(): Promise<readonly LinkTraffic[]> {
    return Promise.all(
      Array.from({ length: this.#boards }, async (_, index) => {
        const { sentBytes, receivedBytes } = await trafficOf(linkName(process.pid, index + 1));
        return { sentBytes: receivedBytes, receivedBytes: sentBytes };
      }),
    );
  }

  /** What this process exchanged with the boards: requests and their answers. */
  hostTraffic(): Promise<LinkTraffic> {
    return trafficOf(bridgeName(process.pid));
  }
}

/** Limits both ends of a cable. */
async function shape(verb: 'add' | 'change', board: number, linkMbit: number): Promise<void> {
  const bucket = ['root', 'tbf', 'rate', `${linkMbit}mbit`, 'burst', BURST, 'latency', QUEUE_LATENCY];
  await runProgram('tc', 'qdisc', verb, 'dev', linkName(process.pid, board), ...bucket);
  await runProgram('tc', '-n', namespaceName(process.pid, board), 'qdisc', verb, 'dev', 'eth0', ...bucket);
}

async function trafficOf(link: string): Promise<LinkTraffic> {
  const read = async (name: string): Promise<number> =>
    Number(await readFile(join(LINKS, link, 'statistics', name), 'utf8'));
  const [sentBytes, receivedBytes] = await Promise.all([read('tx_bytes'), read('rx_bytes')]);
  return { sentBytes, receivedBytes };
}

/** The first three numbers of addresses that lead nowhere yet. */
async function freeSubnet(): Promise<string> {
  const routes = await ip('route', 'show', 'table', 'all');
  for (let attempt = 0; attempt < 256; attempt++) {
    const subnet = `10.213.${(process.pid + attempt) % 256}`;
    if (!routes.includes(`${subnet}.`)) return subnet;
  }
  throw new MeshError('UNAVAILABLE', 'all networks from 10.213.0.0 to 10.213.255.0 are in use on this machine');
}

/** Removes namespaces, cables and bridge of this run, or those of runs that are gone. */
export async function removeNetwork(whose: 'own' | 'abandoned'): Promise<void> {
  const chosen = async (names: readonly string[]): Promise<readonly string[]> =>
    whose === 'own' ? names.filter((name) => ownerOf(name) === process.pid) : abandoned(names);
  const namespaces = (await ip('netns', 'list')).split('\n').map((line) => line.split(' ')[0]!);
  for (const name of await chosen(namespaces)) await ip('netns', 'delete', name);
  // A cable that was not yet put into its namespace, and the bridge; those in a namespace go with it.
  for (const name of await chosen(await readdir(LINKS))) await ip('link', 'delete', name).catch(() => undefined);
}
