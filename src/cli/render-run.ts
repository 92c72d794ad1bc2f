/** An answer and the report of its request, for people. */
import type { Answer } from '../../models/tasks/answer.ts';
import type { WeightOrigin } from '../api/port.ts';
import type { PeerId } from '../core/ids.ts';
import type { RunReport, Verification } from '../core/report.ts';
import type { Terminal } from './terminal.ts';
import { clean, formatBytes, formatMs, formatPercent, shortId, table } from './text.ts';

const MAX_TEXT = 10_000;
const VALUES_IN_LINE = 8;

export function renderAnswer(terminal: Terminal, answer: Answer, weights: WeightOrigin | undefined): string {
  const warning =
    weights === 'seeded'
      ? `${terminal.style('yellow', 'The weights of this model are seeded, not trained: the answer means nothing.')}\n`
      : '';
  return warning + renderBody(terminal, answer);
}

function renderBody(terminal: Terminal, answer: Answer): string {
  switch (answer.kind) {
    case 'classes': {
      const columns = [{ title: 'CLASS' }, { title: 'PROBABILITY', align: 'right' as const }];
      const rows = answer.top.map((score) => [
        score.label === undefined ? `class ${score.index}` : clean(score.label),
        formatPercent(score.probability),
      ]);
      return table(terminal, columns, rows);
    }
    case 'boxes': {
      if (answer.boxes.length === 0) return 'No text was found.\n';
      const columns = ['LEFT', 'TOP', 'RIGHT', 'BOTTOM', 'SCORE'].map((title) => ({ title, align: 'right' as const }));
      const rows = answer.boxes.map(({ points: [[left, top], , [right, bottom]], score }) => [
        ...[left, top, right, bottom].map(String),
        formatPercent(score),
      ]);
      return table(terminal, columns, rows);
    }
    case 'objects': {
      if (answer.objects.length === 0) return 'No object was found.\n';
      const numbers = ['SCORE', 'LEFT', 'TOP', 'RIGHT', 'BOTTOM'].map((title) => ({ title, align: 'right' as const }));
      const rows = answer.objects.map(({ label, score, left, top, right, bottom }) => [
        clean(label),
        formatPercent(score),
        ...[left, top, right, bottom].map(String),
      ]);
      return table(terminal, [{ title: 'OBJECT' }, ...numbers], rows);
    }
    case 'faces': {
      if (answer.faces.length === 0) return 'No face was found.\n';
      const names = ['SCORE', 'LEFT', 'TOP', 'RIGHT', 'BOTTOM'];
      const points = answer.faces[0]!.points.map(({ name }) => clean(name).toUpperCase());
      const columns = [...names, ...points].map((title) => ({ title, align: 'right' as const }));
      const rows = answer.faces.map((face) => [
        formatPercent(face.score),
        ...[face.left, face.top, face.right, face.bottom].map(String),
        ...face.points.map(({ x, y }) => `${x},${y}`),
      ]);
      return table(terminal, columns, rows);
    }
    case 'text':
      if (answer.lines.length === 0) return 'No text was found.\n';
      return answer.lines
        .map((line) => `${clean(line.text, MAX_TEXT)}  ${terminal.style('dim', formatPercent(line.confidence))}\n`)
        .join('');
    case 'forecast': {
      const columns = ['AHEAD', 'VALUE'].map((title) => ({ title, align: 'right' as const }));
      const rows = answer.values.map((value, index) => [`+${index + 1}`, String(Number(value.toPrecision(5)))]);
      return table(terminal, columns, rows);
    }
    case 'tensors':
      return answer.tensors
        .map((tensor) => {
          const values = tensor.values
            .slice(0, VALUES_IN_LINE)
            .map((value) => (value === null ? 'nan' : String(value)));
          const more = tensor.isComplete && tensor.values.length <= VALUES_IN_LINE ? '' : ', …';
          return `${clean(tensor.name)}: ${clean(tensor.type)} [${tensor.shape.join(', ')}] = ${values.join(', ')}${more}\n`;
        })
        .join('');
  }
}

interface Share {
  readonly name: string;
  tiles: number;
  computeMs: number;
  haloBytes: number;
}

function renderVerification(
  terminal: Terminal,
  { confirmedBy, isCorrected, liars }: Verification,
  nameOf: (peer: PeerId) => string,
): string {
  if (confirmedBy.length === 0) return 'not verified: there is no other peer';
  const by = confirmedBy.map(nameOf).join(', ');
  const text = isCorrected ? `what came first was wrong; this is what ${by} computed` : `confirmed by ${by}`;
  if (!isCorrected && liars.length === 0) return text;
  const banned = liars.length === 0 ? '' : `; seen to lie: ${liars.map(nameOf).join(', ')}`;
  return terminal.style('yellow', `${text}${banned}`);
}

export function renderReport(terminal: Terminal, report: RunReport): string {
  const nameOf = (peer: PeerId): string => clean(report.names[peer] ?? shortId(peer));
  const shares = new Map<PeerId, Share>();
  for (const part of report.blocks.flatMap((block) => block.parts)) {
    const share = shares.get(part.peer) ?? { name: nameOf(part.peer), tiles: 0, computeMs: 0, haloBytes: 0 };
    share.tiles++;
    share.computeMs += part.computeMs;
    share.haloBytes += part.haloBytes;
    shares.set(part.peer, share);
  }
  const moved = report.bytesPeerToPeer + report.bytesThroughEntry;
  const lines = [
    `answered in ${formatMs(report.elapsedMs)}, ${clean(report.cut)}`,
    `coordinated by ${nameOf(report.coordinator)} (term ${report.term}), entered at ${nameOf(report.entry)}`,
    `${formatBytes(moved)} moved, ${formatBytes(report.bytesPeerToPeer)} of them directly between peers`,
  ];
  if (report.lostPeers.length > 0) {
    const lost = report.lostPeers.map(nameOf).join(', ');
    lines.push(terminal.style('yellow', `lost on the way: ${lost}`));
  }
  if (report.verification !== undefined) lines.push(renderVerification(terminal, report.verification, nameOf));
  const columns = [
    { title: 'PEER' },
    { title: 'TILES', align: 'right' as const },
    { title: 'COMPUTE', align: 'right' as const },
    { title: 'RECEIVED', align: 'right' as const },
  ];
  const rows = [...shares.values()].map((share) => [
    share.name,
    String(share.tiles),
    formatMs(share.computeMs),
    formatBytes(share.haloBytes),
  ]);
  return `${lines.join('\n')}\n${rows.length === 0 ? '' : `\n${table(terminal, columns, rows)}`}`;
}
