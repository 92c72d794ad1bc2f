/** Who is linked with whom, as SVG: the wider, the more feature maps pass; a broken line is no connection any more. */
import { svg } from './elements.js';
import { clean, formatBytes } from './format.js';
import { linkWidth, ring } from './ring.js';

const WIDTH = 460;
const HEIGHT = 300;
const MARGIN = 46;
/** Beyond so many peers names would lie over each other: numbers do. */
const MAX_NAMES = 14;
const MAX_LABELS = 10;

/** @param {readonly any[]} peers @param {readonly import('./ring.js').Pair[]} pairs @param {import('./palette.js').Looks} looks */
export function drawLinks(peers, pairs, looks) {
  const places = ring(peers.length, WIDTH, HEIGHT, MARGIN);
  const placeOf = new Map(peers.map(({ id }, index) => [id, places[index]]));
  const busy = pairs.filter(({ bytesPerSecond }) => bytesPerSecond >= 1);
  const labelled = new Set(
    [...busy].sort((one, other) => other.bytesPerSecond - one.bytesPerSecond).slice(0, MAX_LABELS),
  );
  const lines = pairs.flatMap((pair) => {
    const [a, b] = [placeOf.get(pair.a), placeOf.get(pair.b)];
    if (a === undefined || b === undefined) return [];
    const kind = pair.isConnected ? (pair.bytesPerSecond >= 1 ? 'link busy' : 'link') : 'link broken';
    return [
      svg('line', { x1: a.x, y1: a.y, x2: b.x, y2: b.y, class: kind, 'stroke-width': linkWidth(pair.bytesPerSecond) }),
    ];
  });
  const labels = [...labelled].flatMap((pair) => {
    const [a, b] = [placeOf.get(pair.a), placeOf.get(pair.b)];
    if (a === undefined || b === undefined) return [];
    // Not in the middle, where lines cross.
    const at = { x: a.x + (b.x - a.x) * 0.36, y: a.y + (b.y - a.y) * 0.36 };
    return [svg('text', { ...at, 'font-size': 11, class: 'link-label' }, `${formatBytes(pair.bytesPerSecond)}/s`)];
  });
  const nodes = peers.map((peer, index) => {
    const look = looks.of(peer.id);
    const { x, y } = places[index];
    const isHere = ['alive', 'draining'].includes(peer.state);
    return svg(
      'g',
      { class: isHere ? 'node' : 'node gone' },
      svg('circle', { cx: x, cy: y, r: 15, fill: look.colour, class: 'edge' }),
      svg('text', { x, y: y + 5, 'font-size': 14, fill: look.ink, class: 'tile-number' }, look.number),
      peers.length > MAX_NAMES
        ? null
        : svg('text', { x, y: y + 30, 'font-size': 12, 'text-anchor': 'middle', class: 'ink' }, clean(peer.name, 16)),
    );
  });
  const alive = peers.filter(({ state }) => state === 'alive').length;
  const title = `${alive} peers alive, ${pairs.filter(({ isConnected }) => isConnected).length} links, ${busy.length} with traffic`;
  return svg(
    'svg',
    { class: 'ring', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': title },
    ...lines,
    ...nodes,
    ...labels,
  );
}
