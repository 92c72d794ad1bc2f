/** Server-sent events out of text as it arrives (WHATWG HTML, 9.2.6), without ids and retry times. */

/**
 * @param {(event: string, data: string) => void} onEvent
 * @returns {(text: string) => void} to be given the text piece by piece
 */
export function serverSentParser(onEvent) {
  let rest = '';
  let event = '';
  /** @type {string[]} */
  let data = [];
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line === '') {
        if (data.length > 0) onEvent(event === '' ? 'message' : event, data.join('\n'));
        event = '';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
    }
  };
}
