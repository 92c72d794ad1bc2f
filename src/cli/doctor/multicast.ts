/**
 * Whether multicast DNS works from here: a question is sent to 224.0.0.251 port 5353 as the peers send theirs (by the default
 * route), and on each interface; it must come back to this machine, and peers should answer it (RFC 6762).
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { ok, type Finding } from './finding.ts';

const GROUP = '224.0.0.251';
const PORT = 5353;
/** As peers of every mesh are asked for; their answers contain it, too. */
const SERVICE = '_tilemesh';
const LISTEN_MS = 1_500;
const TYPE_PTR = 12;
const CLASS_IN = 1;

export interface Interface {
  readonly name: string;
  readonly address: string;
  readonly cidr: string;
}

/** IPv4, without loopback. */
export const interfacesHere = (): readonly Interface[] =>
  Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address, cidr }) => ({ name, address, cidr: cidr ?? address })),
  );

/** A question for one name (RFC 1035, 4.1). */
export function question(name: string): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(1, 4);
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(TYPE_PTR, 1);
  tail.writeUInt16BE(CLASS_IN, 3);
  return Buffer.concat([header, ...labels, tail]);
}

export interface MulticastFacts {
  readonly interfaces: readonly Interface[];
  /** Why port 5353 cannot be shared; null when it can. */
  readonly bindError: string | null;
  /** Why nothing can be sent by the default route. */
  readonly sendError: string | null;
  /** Interfaces that cannot send, by name. */
  readonly failing: Readonly<Record<string, string>>;
  readonly cameBack: boolean;
  /** Addresses of other machines where a peer answered, of whichever mesh: how its own is named only members know. */
  readonly answers: readonly string[];
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

const sendTo = (socket: Socket, packet: Buffer): Promise<string | null> =>
  new Promise((resolve) => socket.send(packet, PORT, GROUP, (error) => resolve(error === null ? null : codeOf(error))));

export async function probeMulticast(listenMs = LISTEN_MS): Promise<MulticastFacts> {
  const interfaces = interfacesHere();
  const nothing = { interfaces, bindError: null, sendError: null, failing: {}, cameBack: false, answers: [] };
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  try {
    socket.bind(PORT, '0.0.0.0');
    await once(socket, 'listening', { signal: AbortSignal.timeout(listenMs) });
  } catch (error) {
    socket.close();
    return { ...nothing, bindError: codeOf(error) };
  }
  const own = `doctor-${randomBytes(6).toString('hex')}`;
  const here = new Set(interfaces.map(({ address }) => address));
  const answers = new Set<string>();
  let cameBack = false;
  // What cannot be sent later shows where it is sent.
  socket.on('error', () => undefined);
  socket.on('message', (packet, { address }) => {
    if (packet.includes(own)) cameBack = true;
    const isAnswer = packet.length > 2 && (packet[2]! & 0x80) !== 0;
    if (isAnswer && packet.includes(SERVICE) && !here.has(address)) answers.add(address);
  });
  try {
    const failing: Record<string, string> = {};
    for (const { name, address } of interfaces) {
      try {
        socket.addMembership(GROUP, address);
      } catch (error) {
        failing[name] = codeOf(error);
      }
    }
    socket.setMulticastLoopback(true);
    const packets = [question(`${own}.local`), question(`${SERVICE}._udp.local`)];
    let sendError: string | null = null;
    for (const packet of packets) sendError ??= await sendTo(socket, packet);
    for (const { name, address } of interfaces) {
      socket.setMulticastInterface(address);
      const error = await sendTo(socket, packets[1]!);
      if (error !== null) failing[name] ??= error;
    }
    if (sendError === null) await new Promise((resolve) => setTimeout(resolve, listenMs));
    return { interfaces, bindError: null, sendError, failing, cameBack, answers: [...answers] };
  } finally {
    socket.close();
  }
}

/** @param others members of the mesh beside the one that was asked; null when no peer was. */
export function judgeMulticast(facts: MulticastFacts, others: number | null): readonly Finding[] {
  const { interfaces, bindError, sendError, failing, cameBack, answers } = facts;
  const check = 'multicast';
  const list = interfaces.map(({ name, cidr }) => `${name} ${cidr}`).join(', ');
  const [first] = interfaces;
  if (first === undefined) {
    return [
      {
        check: 'interfaces',
        level: 'problem',
        subject: 'this machine',
        text: 'no network interface has an IPv4 address',
        cause: 'no cable, or no DHCP server on this network',
        remedy: 'ip link; then: sudo dhclient eth0',
      },
    ];
  }
  const findings: Finding[] = [ok('interfaces', 'this machine', list), ...severalNetworks(interfaces)];
  if (bindError !== null) {
    findings.push({
      check: 'port 5353',
      level: 'problem',
      subject: 'this machine',
      text: `UDP port 5353 cannot be shared (${bindError})`,
      cause: 'another program holds the port of multicast DNS for itself alone',
      remedy: "sudo ss -ulpn 'sport = :5353', then stop that program or let it share the port",
    });
    return findings;
  }
  findings.push(ok('port 5353', 'this machine', 'can be shared'));
  if (sendError !== null) {
    findings.push({
      check,
      level: 'problem',
      subject: 'this machine',
      text: `nothing can be sent to ${GROUP} (${sendError})`,
      cause: 'there is neither a default route nor one for multicast',
      remedy: `sudo ip route add 224.0.0.0/4 dev ${first.name}`,
    });
    return findings;
  }
  for (const [name, error] of Object.entries(failing)) {
    findings.push({
      check,
      level: 'warning',
      subject: name,
      text: `cannot take part in multicast (${error})`,
      cause: 'the interface is down or has multicast switched off',
      remedy: `sudo ip link set ${name} up multicast on`,
    });
  }
  if (!cameBack) {
    findings.push({
      check,
      level: 'problem',
      subject: 'this machine',
      text: 'what is sent does not come in again',
      cause: 'a firewall on this machine drops UDP port 5353',
      remedy: 'sudo nft insert rule inet filter input udp dport 5353 accept, or: sudo ufw allow 5353/udp',
    });
  } else if (answers.length > 0) {
    findings.push(ok(check, 'this machine', `sent and received; ${answers.length} other machine(s) answered`));
  } else if (others !== null && others > 0) {
    findings.push({
      check,
      level: 'warning',
      subject: 'this machine',
      text: 'sent and received here, but no other machine answered',
      cause: 'the other peers run on this machine, or a switch drops multicast (IGMP snooping without a querier)',
      remedy: 'where they are elsewhere: tilemesh up --bootstrap ADDRESS, or IGMP snooping off at the switch',
    });
  } else findings.push(ok(check, 'this machine', 'sent and received; no other machine answered'));
  return findings;
}

/** The network part of `192.168.1.7/24`, as text: whether two are the same is all that counts. */
function networkOf({ address, cidr }: Interface): string {
  const bits = Number(cidr.split('/')[1] ?? 32);
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return `${Math.floor(value / 2 ** (32 - bits))}/${bits}`;
}

function severalNetworks(interfaces: readonly Interface[]): readonly Finding[] {
  if (new Set(interfaces.map(networkOf)).size < 2) return [];
  const vlans = interfaces.filter(({ name }) => /[.@]\d+$|^vlan/i.test(name)).map(({ name }) => name);
  return [
    {
      check: 'interfaces',
      level: 'warning',
      subject: 'this machine',
      text: `it is in several networks${vlans.length === 0 ? '' : `, VLANs ${vlans.join(', ')}`}: peers are looked for in that of the default route only`,
      cause: 'multicast DNS leaves by one interface',
      remedy: 'peers in other networks: tilemesh up --bootstrap ADDRESS',
    },
  ];
}
