/** Judges what the peers say of themselves and of each other. */
import type { MemberView } from '../../api/port.ts';
import type { HeardCard, PeerCard } from '../../core/card.ts';
import type { PeerId } from '../../core/ids.ts';
import { clean, formatDuration, formatMs, formatPercent, shortId } from '../text.ts';
import { ok, type Finding } from './finding.ts';
import { judgeDescriptors, judgeMachine } from './machine.ts';

/** More than this between two wall clocks and logs of several boards cannot be read together. */
const MOST_SKEW_MS = 1_000;
const MOST_LOSS = 0.05;
/** Losses are told apart from chance by so many samples. */
const LEAST_SAMPLES = 10;
const GONE: ReadonlySet<string> = new Set(['left']);

export interface MeshFacts {
  readonly members: readonly MemberView[];
  readonly cards: readonly HeardCard[];
}

interface Known {
  readonly name: string;
  readonly heard: HeardCard;
}

export function judgeMesh({ members, cards }: MeshFacts): readonly Finding[] {
  const nameOf = (peer: PeerId): string => clean(members.find(({ id }) => id === peer)?.name ?? '') || shortId(peer);
  const known = cards.map((heard): Known => ({ name: nameOf(heard.peer), heard }));
  const answered = known.flatMap(({ heard, name }) => (heard.card === null ? [] : [{ name, heard, card: heard.card }]));
  return [
    ...states(members),
    ...known.flatMap(({ name, heard }) => (heard.card === null ? [unanswered(name, heard)] : [])),
    ...versions(answered),
    ...answered.flatMap(({ name, heard }) => clock(name, heard)),
    ...answered.flatMap(({ name, card }) => kernel(name, card)),
    ...answered.flatMap(({ name, card }) => judgeMachine(name, card.machine)),
    ...answered.flatMap(({ name, card: { descriptors } }) =>
      descriptors === undefined ? [] : [judgeDescriptors(name, descriptors)],
    ),
    ...reachability(answered),
    ...losses(answered),
  ];
}

const ADVICE: Readonly<Record<string, readonly [cause: string, remedy: string]>> = {
  suspect: [
    'it has gone quiet: busy, frozen, or its cable is out',
    'look at it: ping it, and systemctl status tilemesh',
  ],
  failed: ['it is off, frozen, or no longer on this network', 'switch it on, or: sudo systemctl restart tilemesh'],
  incompatible: ['it runs another version, or belongs to another mesh', 'install the same version on every peer'],
  banned: ['it broke the protocol again and again', 'check its memory and its software, then restart it'],
};

const states = (members: readonly MemberView[]): readonly Finding[] =>
  members.flatMap(({ name, id, state, lastSeenMs }): Finding[] => {
    const advice = ADVICE[state];
    if (advice === undefined) return [];
    const [cause, remedy] = advice;
    const text = `is ${state}, last heard ${formatDuration(lastSeenMs)} ago`;
    return [{ check: 'members', level: 'problem', subject: name || shortId(id), text, cause, remedy }];
  });

const unanswered = (subject: string, { reason }: HeardCard): Finding => ({
  check: 'answers',
  level: 'problem',
  subject,
  text: `does not answer: ${reason}`,
  cause: 'it is frozen, overloaded, or runs a version that cannot be asked',
  remedy: 'look at it: systemctl status tilemesh, and npm ls -g tilemesh',
});

interface Answered extends Known {
  readonly card: PeerCard;
}

function versions(answered: readonly Answered[]): readonly Finding[] {
  const peers = new Map<string, string[]>();
  for (const { name, card } of answered) peers.set(card.version, [...(peers.get(card.version) ?? []), name]);
  if (peers.size <= 1) return answered.slice(0, 1).map(({ card }) => ok('versions', 'mesh', `all run ${card.version}`));
  const list = [...peers].map(([version, names]) => `${version} on ${names.join(', ')}`).join('; ');
  return [
    {
      check: 'versions',
      level: 'warning',
      subject: 'mesh',
      text: list,
      cause: 'peers of different versions may not work together',
      remedy: 'install the same version on every peer: npm install -g tilemesh',
    },
  ];
}

function clock(subject: string, { clockSkewMs, roundTripMs }: HeardCard): readonly Finding[] {
  const skewMs = Math.abs(clockSkewMs);
  if (skewMs <= MOST_SKEW_MS + roundTripMs) return [ok('clock', subject, `within ${formatMs(Math.max(1, skewMs))}`)];
  const way = clockSkewMs > 0 ? 'behind' : 'ahead of';
  return [
    {
      check: 'clock',
      level: 'warning',
      subject,
      text: `its clock is ${formatDuration(skewMs)} ${way} that of the peer that was asked`,
      cause: 'boards without a battery forget the time; requests do not mind, logs and certificates do',
      remedy: 'sudo timedatectl set-ntp true',
    },
  ];
}

function kernel(subject: string, { kernel: name, platform }: PeerCard): readonly Finding[] {
  if (name === 'onnxruntime') return [ok('kernel', subject, `native (${platform})`)];
  return [
    {
      check: 'kernel',
      level: 'warning',
      subject,
      text: `computes with "${name}", several times slower than the native runtime`,
      cause: 'onnxruntime-node is not installed, or needs a newer C library (glibc 2.28)',
      remedy: "npm install onnxruntime-node, and see the peer's log at its start: tilemesh logs",
    },
  ];
}

/** Whether A says that it reaches B, for every pair of peers that answered. */
function reachability(answered: readonly Answered[]): readonly Finding[] {
  const reaches = (from: PeerCard, to: PeerCard): boolean => {
    const reach = from.reaches.find(({ peer }) => peer === to.peer);
    return reach?.isConnected === true && !GONE.has(reach.state) && reach.state !== 'failed';
  };
  const findings: Finding[] = [];
  let pairs = 0;
  for (const [index, a] of answered.entries()) {
    for (const b of answered.slice(index + 1)) {
      pairs += 1;
      const there = reaches(a.card, b.card);
      const back = reaches(b.card, a.card);
      if (there && back) continue;
      const text = there
        ? `${a.name} reaches ${b.name}, but ${b.name} does not reach ${a.name}`
        : back
          ? `${b.name} reaches ${a.name}, but ${a.name} does not reach ${b.name}`
          : `${a.name} and ${b.name} do not reach each other`;
      findings.push({
        check: 'reachability',
        level: 'problem',
        subject: `${a.name} - ${b.name}`,
        text,
        cause: 'a firewall, a VLAN or a missing route between the two; others reach both',
        remedy: `on ${a.name}: ip route get ${hostOf(b.card)}; and open the peers' ports: sudo nft list ruleset`,
      });
    }
  }
  if (pairs > 0 && findings.length === 0) findings.push(ok('reachability', 'mesh', `all ${pairs} pairs, both ways`));
  return findings;
}

/** An address of the peer that others can use. */
function hostOf({ addresses }: PeerCard): string {
  const hosts = addresses.flatMap((address) => /^\/ip4\/([\d.]+)\//.exec(address)?.[1] ?? []);
  return hosts.find((host) => !host.startsWith('127.')) ?? hosts[0] ?? 'ADDRESS';
}

const losses = (answered: readonly Answered[]): readonly Finding[] =>
  answered.flatMap(({ name, card }) =>
    card.reaches.flatMap(({ name: other, peer, roundTrip }): Finding[] => {
      if (roundTrip === null || roundTrip.samples < LEAST_SAMPLES || roundTrip.loss <= MOST_LOSS) return [];
      return [
        {
          check: 'losses',
          level: 'warning',
          subject: `${name} - ${other || shortId(peer)}`,
          text: `${formatPercent(roundTrip.loss)} of ${roundTrip.samples} pings were not answered within 3 s`,
          cause: 'a bad cable or port, or a board that is overloaded',
          remedy: 'ip -s link (errors, dropped), ethtool eth0 (speed); try another cable',
        },
      ];
    }),
  );
