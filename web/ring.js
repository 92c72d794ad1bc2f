/** The picture of who is linked with whom, as positions: peers on an ellipse, the traffic of each pair as a width. */

/**
 * @typedef {{ from: string, to: string, isConnected: boolean, p50Ms: number | null, loss: number, sentBytes: number }} Link
 * @typedef {{ a: string, b: string, isConnected: boolean, p50Ms: number | null, bytesPerSecond: number, sentBytes: number }} Pair
 */

/**
 * Both directions of each pair put together.
 * @param {readonly Link[]} links
 * @param {ReadonlyMap<string, number>} before bytes sent until the last time, by `from>to`
 * @param {number} elapsedMs since then; 0: there was no last time
 * @returns {Pair[]}
 */
export function pairsOf(links, before, elapsedMs) {
  /** @type {Map<string, Pair>} */
  const pairs = new Map();
  for (const { from, to, isConnected, p50Ms, sentBytes } of links) {
    const [a, b] = from < to ? [from, to] : [to, from];
    const key = `${a}>${b}`;
    const pair = pairs.get(key) ?? { a, b, isConnected: false, p50Ms: null, bytesPerSecond: 0, sentBytes: 0 };
    // A peer that started anew counts from 0 again.
    const sent = Math.max(0, sentBytes - (before.get(`${from}>${to}`) ?? sentBytes));
    pair.isConnected ||= isConnected;
    pair.p50Ms ??= p50Ms;
    pair.sentBytes += sentBytes;
    pair.bytesPerSecond += elapsedMs > 0 ? (sent / elapsedMs) * 1000 : 0;
    pairs.set(key, pair);
  }
  return [...pairs.values()];
}

/** @param {number} count @param {number} width @param {number} height @param {number} margin @returns {{ x: number, y: number }[]} */
export function ring(count, width, height, margin) {
  return Array.from({ length: count }, (_, index) => {
    // Two stand side by side; others begin at the top.
    const angle = (index / count) * 2 * Math.PI - (count === 2 ? Math.PI : Math.PI / 2);
    const reach = count === 1 ? 0 : 1;
    return {
      x: width / 2 + reach * (width / 2 - margin) * Math.cos(angle),
      y: height / 2 + reach * (height / 2 - margin) * Math.sin(angle),
    };
  });
}

/** A hundredfold of traffic is drawn about four times as wide. @param {number} bytesPerSecond @returns {number} pixels */
export const linkWidth = (bytesPerSecond) => 1 + Math.min(9, Math.log10(1 + bytesPerSecond / 1_000) * 2);
