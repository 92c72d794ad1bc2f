/**
 * What peers look like, wherever they appear: a number, a colour and, from the ninth on, a texture. The colours are those of
 * Okabe and Ito (2008), which people who are colour-blind tell apart, with grey for black; numbers and textures are the second cue.
 */

const COLOURS = ['#56b4e9', '#e69f00', '#009e73', '#cc79a7', '#d55e00', '#f0e442', '#0072b2', '#a5adb8'];
/** Too dark for black letters. */
const DARK = new Set(['#0072b2']);
const TEXTURES = ['', 'dots', 'bars', 'checks'];

/**
 * @typedef {{ readonly number: number, readonly colour: string, readonly ink: string, readonly texture: string }} Look
 * `number` counts from 1; `texture` is empty for none.
 */

/** @param {number} index @returns {Look} */
export function lookOf(index) {
  const colour = COLOURS[index % COLOURS.length] ?? COLOURS[0];
  const texture = TEXTURES[Math.floor(index / COLOURS.length) % TEXTURES.length] ?? '';
  return { number: index + 1, colour, ink: DARK.has(colour) ? '#ffffff' : '#000000', texture };
}

/** Numbers given to peers as they are first seen, and kept. */
export class Looks {
  /** @type {Map<string, number>} */
  #numbers = new Map();

  /** Peers seen together get numbers in the order of their names. @param {readonly { id: string, name: string }[]} peers */
  meet(peers) {
    const byName = [...peers].sort(
      (a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }) || (a.id < b.id ? -1 : 1),
    );
    for (const { id } of byName) if (!this.#numbers.has(id)) this.#numbers.set(id, this.#numbers.size);
  }

  /** @param {string} id @returns {Look} */
  of(id) {
    this.meet([{ id, name: '' }]);
    return lookOf(this.#numbers.get(id) ?? 0);
  }
}
