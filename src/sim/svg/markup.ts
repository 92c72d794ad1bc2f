/** SVG as text. */

export type Attributes = Readonly<Record<string, string | number>>;

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** What XML has no place for at all is left out. */
export const escapeText = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cs}]/gu, '').replaceAll(/[&<>"]/g, (symbol) => ESCAPES[symbol]!);

const number = (value: number): string => String(Math.round(value * 100) / 100);

export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const text = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? number(value) : escapeText(value)}"`)
    .join('');
  return children.length === 0 ? `<${name}${text}/>` : `<${name}${text}>${children.join('')}</${name}>`;
}

export interface TextStyle {
  /** Of the letters, in pixels. */
  readonly size?: number;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly kind?: 'ink' | 'faint';
  readonly isBold?: boolean;
}

export const label = (x: number, y: number, text: string, style: TextStyle = {}): string => {
  const { size = 11, anchor = 'start', kind = 'ink', isBold = false } = style;
  const attributes = { x, y, class: kind, 'font-size': size, 'text-anchor': anchor };
  return element('text', isBold ? { ...attributes, 'font-weight': 'bold' } : attributes, escapeText(text));
};

/** Shows its text where the pointer rests. */
export const tooltip = (text: string): string => element('title', {}, escapeText(text));
