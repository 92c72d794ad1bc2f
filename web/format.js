/** Numbers and texts as people read them. */

/** Control and format characters, among them changes of direction, and what has no meaning of its own. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Text from the network: what could hide or turn other text is taken out. Markup is no danger, as all text becomes text nodes.
 * @param {unknown} text @param {number} most characters
 * @returns {string}
 */
export function clean(text, most = 60) {
  const safe = typeof text === 'string' ? text.replace(UNSAFE, '') : '';
  return safe.length <= most ? safe : `${safe.slice(0, most - 1)}…`;
}

/** @param {number} value @returns {string} with about three digits */
const digits = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(0) : value.toFixed(1));

/** @param {number} bytes @returns {string} */
export function formatBytes(bytes) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit += 1) value /= 1000;
  return `${unit === 0 ? String(Math.round(value)) : digits(value)} ${units[unit]}`;
}

/** @param {number} ms @returns {string} */
export function formatMs(ms) {
  if (ms >= 60_000) return `${(ms / 60_000).toFixed(1)} min`;
  if (ms >= 9_999.5) return `${(ms / 1000).toFixed(1)} s`;
  return `${digits(Math.max(0, ms))} ms`;
}

/** @param {number} macs a second; 0: not measured @returns {string} */
export const formatSpeed = (macs) => (macs > 0 ? `${digits(macs / 1e9)} GMAC/s` : 'not measured');

/** @param {number} share 0 to 1 @returns {string} */
export const formatShare = (share) => `${(share * 100).toFixed(1)} %`;

/** @param {number} ms since something @returns {string} */
export function formatAge(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} d ago`;
}

/** @param {number} count @param {string} one @param {string} [many] @returns {string} */
export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** `[start, end)` per axis, without the axis of samples. @param {readonly (readonly number[])[] | null | undefined} box */
export const formatBox = (box) =>
  box == null
    ? 'all'
    : box
        .map(([start, end]) => `${start}:${end}`)
        .slice(box.length > 1 ? 1 : 0)
        .join(', ');
