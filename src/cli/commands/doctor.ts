/**
 * `tilemesh doctor`: looks at this machine, its network and the mesh, and says of all that is wrong why and how to mend it.
 * Without a peer it looks at what there is.
 */
import type { MemberView, PeerPort } from '../../api/port.ts';
import type { HeardCard } from '../../core/card.ts';
import { readMachine } from '../../observability/machine.ts';
import { getJson, parseApiUrls } from '../client.ts';
import type { Finding, FindingLevel } from '../doctor/finding.ts';
import { judgeCertificates, probeCertificates } from '../doctor/certificate.ts';
import { asInstalled, howToStart } from '../service.ts';
import { judgeMachine } from '../doctor/machine.ts';
import { judgeMesh } from '../doctor/mesh.ts';
import { judgeMulticast, probeMulticast } from '../doctor/multicast.ts';
import { judgePorts, probePorts } from '../doctor/ports.ts';
import { ExitWith, LEVEL_EXIT, UnreachableError } from '../exit.ts';
import { progressLine } from '../progress.ts';
import { plainly, writeJson, type Style, type Terminal } from '../terminal.ts';
import { clean, plural, table } from '../text.ts';

export interface DoctorOptions {
  readonly api: string;
  readonly json?: true;
  readonly plain?: true;
}

interface MeshAnswers {
  readonly self: PeerPort['self'];
  readonly members: readonly MemberView[];
  readonly cards: readonly HeardCard[];
}

const ORDER: readonly FindingLevel[] = ['problem', 'warning', 'skipped', 'ok'];
const MAX_TEXT = 400;

/** Undefined where no peer answers. @throws MeshError in the words of a peer that does. */
async function askMesh(urls: readonly URL[], signal: AbortSignal): Promise<MeshAnswers | UnreachableError> {
  try {
    const [{ self, peers }, { cards }] = (await Promise.all([
      getJson(urls, '/tilemesh/v1/peers', signal),
      getJson(urls, '/tilemesh/v1/cards', signal),
    ])) as [
      { readonly self: PeerPort['self']; readonly peers: readonly MemberView[] },
      { readonly cards: readonly HeardCard[] },
    ];
    return { self, members: peers, cards };
  } catch (error) {
    if (error instanceof UnreachableError) return error;
    throw error;
  }
}

export async function diagnose(urls: readonly URL[], terminal: Terminal): Promise<readonly Finding[]> {
  const progress = progressLine(terminal);
  try {
    progress.update('asking the mesh', 0, 0);
    const mesh = await askMesh(urls, terminal.interrupted);
    const isThere = !(mesh instanceof UnreachableError);
    progress.update('trying the network', 0, 0);
    const [multicast, ports, certificates, machine] = await Promise.all([
      probeMulticast(),
      probePorts(isThere ? mesh.cards : []),
      probeCertificates(urls),
      readMachine(process.cwd()),
    ]);
    const others = isThere ? mesh.members.length - 1 : null;
    return [
      ...(isThere ? [] : [noPeer(mesh)]),
      ...judgeMulticast(multicast, others),
      ...judgePorts(ports),
      ...judgeCertificates(certificates, Date.now()),
      ...(isThere ? judgeMesh(mesh) : judgeMachine('this machine', machine)),
      ...(others === 0 ? [alone] : []),
    ];
  } finally {
    progress.clear();
  }
}

const noPeer = ({ message }: UnreachableError): Finding => ({
  check: 'peer',
  level: 'problem',
  subject: 'this machine',
  text: message.split(':').slice(0, -1).join(':') || message,
  cause: 'no peer runs there, or its API listens elsewhere',
  remedy: `${howToStart()}, or --api HOST:PORT`,
});

const alone: Finding = {
  check: 'members',
  level: 'warning',
  subject: 'mesh',
  text: 'the peer that was asked knows no other one',
  cause: 'no other runs on this network under the same mesh name, or multicast does not get through',
  remedy: asInstalled(
    'npx tilemesh invite, which says how another board joins; or: npx tilemesh up --bootstrap ADDRESS',
  ),
};

export async function doctorCommand(terminal: Terminal, options: DoctorOptions): Promise<void> {
  const findings = (await diagnose(parseApiUrls(options.api), terminal)).toSorted(
    (a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level),
  );
  const has = (level: FindingLevel): boolean => findings.some((finding) => finding.level === level);
  const level = has('problem') ? 'critical' : has('warning') ? 'degraded' : 'fine';
  if (options.json) writeJson(terminal, 'doctor/1', { level, findings });
  else terminal.out(render(options.plain ? plainly(terminal) : terminal, findings));
  if (level !== 'fine') throw new ExitWith(LEVEL_EXIT[level]);
}

const STYLES: Readonly<Record<FindingLevel, Style>> = {
  problem: 'red',
  warning: 'yellow',
  skipped: 'dim',
  ok: 'green',
};

function render(terminal: Terminal, findings: readonly Finding[]): string {
  if (terminal.isPlain === true) {
    const rows = findings.map(({ level, check, subject, text, cause, remedy }) =>
      [level, check, subject, text, cause ?? '', remedy ?? ''].map((cell) => clean(cell, MAX_TEXT)),
    );
    return table(terminal, [], rows);
  }
  const width = Math.max(...findings.map(({ level }) => level.length));
  const lines = findings.flatMap(({ level, check, subject, text, cause, remedy }) => [
    `${terminal.style(STYLES[level], level.padEnd(width))}  ${check}: ${clean(subject)}: ${clean(text, MAX_TEXT)}`,
    ...(cause === undefined ? [] : [`${' '.repeat(width)}  why:  ${clean(cause, MAX_TEXT)}`]),
    ...(remedy === undefined ? [] : [`${' '.repeat(width)}  mend: ${clean(remedy, MAX_TEXT)}`]),
  ]);
  const count = (level: FindingLevel): number => findings.filter((finding) => finding.level === level).length;
  lines.push(
    '',
    `${plural(count('problem'), 'problem')}, ${plural(count('warning'), 'warning')}, ${plural(count('ok'), 'check')} fine`,
  );
  return `${lines.join('\n')}\n`;
}
