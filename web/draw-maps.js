/** The maps of `maps.js` as SVG. */
import { svg } from './elements.js';
import { formatBox } from './format.js';
import { place } from './maps.js';

/** A box so small has no room for the number of its peer. */
const MIN_LABEL = 13;

let drawn = 0;

/** Patterns of a picture; ids count, as several pictures share the document. */
function patterns(prefix) {
  const pattern = (id, size, turn, ...shapes) =>
    svg(
      'pattern',
      {
        id: `${prefix}${id}`,
        width: size,
        height: size,
        patternUnits: 'userSpaceOnUse',
        patternTransform: `rotate(${turn})`,
      },
      ...shapes,
    );
  return svg(
    'defs',
    {},
    pattern(
      'halo',
      6,
      45,
      svg('rect', { width: 3, height: 6, class: 'halo-dark' }),
      svg('rect', { x: 3, width: 1, height: 6, class: 'halo-light' }),
    ),
    pattern('dots', 7, 0, svg('circle', { cx: 3.5, cy: 3.5, r: 1.5, class: 'texture' })),
    pattern('bars', 6, 0, svg('rect', { width: 6, height: 1.6, class: 'texture' })),
    pattern('checks', 8, 0, svg('rect', { width: 4, height: 4, class: 'texture' })),
  );
}

const inset = ({ x, y, width, height }, by) => ({
  x: x + by,
  y: y + by,
  width: Math.max(0.5, width - 2 * by),
  height: Math.max(0.5, height - 2 * by),
});

/**
 * @param {import('./maps.js').FeatureMap & Partial<import('./maps.js').ReadMap>} map
 * @param {object} options `lookOf` a participant, `side`, `largest`, `chosen` participant or null, `title`, `onChoose`
 * @returns {SVGElement}
 */
export function drawMap(map, { lookOf, side, largest = 0, chosen = null, title, isSmall = false, onChoose }) {
  const prefix = `p${(drawn += 1)}-`;
  const { frame, box } = place(map, side, largest);
  const isShown = (participant) => chosen === null || participant === chosen;
  const depth = map.shape.length === 4 && map.shape[1] > 1 ? Math.min(3, Math.ceil(Math.log2(map.shape[1]) / 3)) : 0;
  const layers = Array.from({ length: depth }, (_, index) => {
    const by = (depth - index) * (isSmall ? 2 : 4);
    return svg('rect', { ...frame, x: frame.x + by, y: frame.y - by, class: 'layer' });
  });
  const tiles = map.tiles.map(({ participant, box: region, part }) => {
    const look = lookOf(participant);
    const rect = box(region);
    const isDim = map.isInput !== false && !isShown(participant);
    const group = svg(
      'g',
      { class: isDim ? 'tile dim' : 'tile', 'data-participant': participant, 'data-part': part },
      svg('rect', { ...rect, fill: look.colour, class: 'edge' }),
      look.texture === '' ? null : svg('rect', { ...rect, fill: `url(#${prefix}${look.texture})` }),
    );
    if (Math.min(rect.width, rect.height) >= MIN_LABEL) {
      const size = Math.min(isSmall ? 11 : 20, Math.min(rect.width, rect.height) * 0.6);
      const at = { x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 + size * 0.35 };
      group.append(svg('text', { ...at, 'font-size': size, fill: look.ink, class: 'tile-number' }, look.number));
    }
    if (!isSmall) {
      group.append(svg('title', {}, `peer ${look.number}: ${formatBox(region)}`));
      if (onChoose) group.addEventListener('click', () => onChoose(participant));
    }
    return group;
  });
  // Many tiles may be sent the same.
  const hatched = new Map(
    (map.halos ?? [])
      .filter(({ to }) => isShown(to))
      .map(({ box: region }) => [
        JSON.stringify(region),
        svg('rect', { ...box(region), fill: `url(#${prefix}halo)`, class: 'halo' }),
      ]),
  );
  const outlines = (map.reads ?? [])
    .filter(({ participant }) => chosen !== null && participant === chosen)
    .map(({ box: region, participant }) => {
      const rect = box(region);
      return [
        svg('rect', { ...inset(rect, 1.5), class: 'read-under' }),
        svg('rect', { ...inset(rect, 1.5), class: 'read', stroke: lookOf(participant).colour }),
      ];
    });
  const margin = isSmall ? 7 : 14;
  return svg(
    'svg',
    {
      class: 'map',
      viewBox: `${-margin} ${-margin} ${side + 2 * margin} ${side + 2 * margin}`,
      role: title === undefined ? null : 'img',
      'aria-label': title,
      'aria-hidden': title === undefined ? 'true' : null,
    },
    patterns(prefix),
    ...layers,
    ...tiles,
    ...hatched.values(),
    ...outlines,
    svg('rect', { ...frame, class: 'frame' }),
  );
}
