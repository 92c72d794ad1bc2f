/** Elements of HTML and SVG. Children that are strings become text nodes: nothing here makes markup of text. */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @param {Element} element @param {Readonly<Record<string, unknown>>} attributes `on…` are listeners; false and null are left out
 * @param {readonly unknown[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof window.Node ? child : String(child));
  }
  return element;
}

/** @param {string} tag @returns {HTMLElement} */
export const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** @param {string} tag @returns {SVGElement} */
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * Makes the children of `list` those of `items`, in order; an item that was there keeps its element, and so the focus.
 * @param {Element} list @param {readonly T[]} items @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement} make @param {(element: HTMLElement, item: T) => void} update
 * @template T
 */
export function keepInStep(list, items, keyOf, make, update) {
  const present = new Map(Array.from(list.children, (child) => [child.getAttribute('data-key'), child]));
  const wanted = items.map((item) => {
    const key = keyOf(item);
    let element = /** @type {HTMLElement | undefined} */ (present.get(key));
    if (element === undefined) {
      element = make(item);
      element.setAttribute('data-key', key);
    }
    update(element, item);
    present.delete(key);
    return element;
  });
  for (const gone of present.values()) gone.remove();
  wanted.forEach((element, index) => {
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  });
}

/** @param {import('./palette.js').Look} look @returns {HTMLElement} the number of a peer in its colour */
export function badge(look) {
  const element = html('span', { class: 'badge', 'aria-hidden': 'true' }, look.number);
  element.style.backgroundColor = look.colour;
  element.style.color = look.ink;
  if (look.texture !== '') element.classList.add(`texture-${look.texture}`);
  return element;
}

/** @param {readonly string[]} titles @param {readonly (readonly unknown[])[]} rows @param {string} caption */
export function table(caption, titles, rows) {
  return html(
    'table',
    {},
    html('caption', { class: 'unseen' }, caption),
    html(
      'thead',
      {},
      html(
        'tr',
        {},
        titles.map((title) => html('th', { scope: 'col' }, title)),
      ),
    ),
    html(
      'tbody',
      {},
      rows.map(([first, ...others]) =>
        html(
          'tr',
          {},
          html('th', { scope: 'row' }, first),
          others.map((cell) => html('td', {}, cell)),
        ),
      ),
    ),
  );
}
