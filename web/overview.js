/** Peers, links, models and what happened, as the live stream tells of them. */
import { drawLinks } from './draw-links.js';
import { badge, byId, html, keepInStep, table } from './elements.js';
import { clean, formatAge, formatBytes, formatMs, formatShare, formatSpeed, plural } from './format.js';
import { pairsOf } from './ring.js';

/** A sign beside the word, so that colour is never all there is. */
const SIGNS = {
  alive: '●',
  joining: '◌',
  suspect: '▲',
  draining: '◐',
  left: '○',
  failed: '✕',
  incompatible: '≠',
  banned: '⊘',
};
const HOT_C = 75;
const MAX_EVENTS = 60;

const EVENTS = {
  'member-up': (name) => `${name} is here`,
  'member-lost': (name, text) => `the connection to ${name} was lost${text}`,
  'member-down': (name, text) => `${name} is gone${text}`,
  'models-changed': () => 'the models changed',
  'model-evicted': (_, text) => `a model went from the disk to make room${text}`,
  'request-arrived': (_, text) => `a request came in${text}`,
  'request-answered': (_, text) => `a request was answered${text}`,
  'request-failed': (_, text) => `a request failed${text}`,
};

const chip = (state) =>
  html(
    'span',
    { class: `chip state-${state in SIGNS ? state : 'unknown'}` },
    `${SIGNS[state] ?? '?'} ${clean(state, 16)}`,
  );

function bar(label, share, text) {
  const inner = html('span', { class: share > 0.85 ? 'full' : '' });
  inner.style.width = `${Math.min(100, Math.max(0, share * 100))}%`;
  return html(
    'div',
    { class: 'bar-row' },
    html('dt', {}, label),
    html('dd', {}, html('span', { class: 'meter', 'aria-hidden': 'true' }, inner), html('span', {}, text)),
  );
}

const fact = (label, value, kind = '') => html('div', { class: kind }, html('dt', {}, label), html('dd', {}, value));

/** @param {any} peer @param {any} card what it said of its machine; undefined: nothing yet */
function facts(peer, card) {
  const machine = card?.machine;
  const memory = machine?.memoryBytes > 0 && machine.availableBytes !== null ? machine : null;
  const used = memory === null ? 0 : memory.memoryBytes - memory.availableBytes;
  const heat = machine?.temperatureC;
  const isHot = machine?.isThrottled === true || heat > HOT_C;
  return [
    bar('CPU', peer.cpuPercent / 100, `${peer.cpuPercent} %`),
    memory === null
      ? fact('Memory', formatBytes(peer.memoryBytes))
      : bar('Memory', used / memory.memoryBytes, `${(used / 1e9).toFixed(1)} of ${formatBytes(memory.memoryBytes)}`),
    fact('Speed', formatSpeed(peer.macsPerSecond)),
    typeof heat === 'number' || isHot
      ? fact(
          'Heat',
          `${typeof heat === 'number' ? `${Math.round(heat)} °C` : ''}${machine?.isThrottled === true ? ' throttled' : ''}`,
          isHot ? 'hot' : '',
        )
      : null,
    typeof machine?.load === 'number'
      ? fact('Load', `${machine.load.toFixed(1)} on ${plural(machine.cores, 'core')}`)
      : null,
    fact('Tiles', card === undefined ? '–' : `${card.tilesPerSecond} a second`),
    fact(
      'Requests',
      peer.queueDepth > 0 ? `${peer.activeRequests}, ${peer.queueDepth} wait` : String(peer.activeRequests),
    ),
    peer.isSelf ? null : fact('Round trip', peer.rttMs === null ? '–' : formatMs(peer.rttMs)),
    peer.lastSeenMs > 0 ? fact('Heard', formatAge(peer.lastSeenMs)) : null,
  ];
}

export class Overview {
  #looks;
  #announce;
  /** @type {any[]} */
  peers = [];
  /** @type {Map<string, any>} */
  #cards = new Map();
  /** @type {Map<string, string>} */
  #states = new Map();
  #sentBefore = new Map();
  #sentAtMs = 0;
  #pairs = [];

  /** @param {import('./palette.js').Looks} looks @param {(text: string) => void} announce */
  constructor(looks, announce) {
    this.#looks = looks;
    this.#announce = announce;
  }

  /** @param {string} id @returns {string} */
  nameOf(id) {
    const name = clean(this.peers.find((peer) => peer.id === id)?.name ?? '', 40);
    return name === '' ? clean(id, 128).slice(-8) : name;
  }

  showPeers({ self, health, peers }) {
    this.#looks.meet(peers);
    this.peers = [...peers].sort((a, b) => this.#looks.of(a.id).number - this.#looks.of(b.id).number);
    byId('where').replaceChildren(
      'mesh ',
      html('strong', {}, clean(self.mesh, 40)),
      ', seen from ',
      html('strong', {}, clean(self.name, 40)),
    );
    document.title = `${clean(self.mesh, 40)}: ${health.alive} of ${health.members} peers`;
    const mood = { fine: '●', degraded: '▲', critical: '✕' }[health.level] ?? '?';
    const chipped = byId('health');
    chipped.className = `chip health-${clean(health.level, 16)}`;
    chipped.textContent = `${mood} ${clean(health.level, 16)}: ${health.alive} of ${health.members} alive`;
    chipped.title = health.problems.map((problem) => clean(problem, 120)).join('\n');
    byId('no-peers').hidden = true;
    this.#announceChanges();
    this.#drawPeers();
    this.#drawLinks();
  }

  showCards({ unixMs, cards, links }) {
    this.#cards = new Map(cards.filter(({ machine }) => machine !== null).map((card) => [card.peer, card]));
    const named = links.map((link) => ({ ...link, from: cards[link.from].peer, to: cards[link.to].peer }));
    this.#pairs = pairsOf(named, this.#sentBefore, this.#sentAtMs === 0 ? 0 : unixMs - this.#sentAtMs);
    this.#sentBefore = new Map(named.map(({ from, to, sentBytes }) => [`${from}>${to}`, sentBytes]));
    this.#sentAtMs = unixMs;
    this.#drawPeers();
    this.#drawLinks();
    const rows = this.#pairs.map(({ a, b, isConnected, p50Ms, bytesPerSecond, sentBytes }) => [
      `${this.nameOf(a)} – ${this.nameOf(b)}`,
      isConnected ? 'connected' : 'not connected',
      p50Ms === null ? '–' : formatMs(p50Ms),
      `${formatBytes(bytesPerSecond)}/s`,
      formatBytes(sentBytes),
    ]);
    byId('links-table').replaceChildren(
      table('Links between peers', ['Peers', 'State', 'Round trip', 'Now', 'In all'], rows),
    );
  }

  showModels({ models }) {
    if (models.length === 0) return;
    const columns = this.peers.filter(({ state }) => ['alive', 'draining', 'suspect'].includes(state));
    const heads = columns.map(({ id, name }) =>
      html(
        'th',
        { scope: 'col', class: 'holder' },
        badge(this.#looks.of(id)),
        html('span', { class: 'unseen' }, clean(name, 40)),
      ),
    );
    const rows = [...models]
      .sort((a, b) => a.name.localeCompare(b.name))
      .map(({ name, task, weights, bytesHeld, bytesTotal, holders }) =>
        html(
          'tr',
          {},
          html('th', { scope: 'row' }, clean(name, 40), html('small', {}, `${clean(task, 24)}, ${clean(weights, 12)}`)),
          html('td', { class: 'number' }, formatBytes(bytesTotal)),
          ...columns.map(({ id, isSelf }) => {
            const share = isSelf && bytesTotal > 0 ? bytesHeld / bytesTotal : 1;
            const text = !holders.includes(id) ? '' : share >= 1 ? '■' : '◧';
            const meaning = text === '' ? 'nothing' : isSelf ? `${formatShare(share)} of it` : 'holds of it';
            return html(
              'td',
              { class: 'holder' },
              html('span', { 'aria-hidden': 'true' }, text === '' ? '·' : text),
              html('span', { class: 'unseen' }, meaning),
            );
          }),
        ),
      );
    const head = html(
      'tr',
      {},
      html('th', { scope: 'col' }, 'Model'),
      html('th', { scope: 'col', class: 'number' }, 'Weights'),
      ...heads,
    );
    byId('models').replaceChildren(
      html(
        'table',
        {},
        html('caption', { class: 'unseen' }, 'Models and which peers hold weights of them'),
        html('thead', {}, head),
        html('tbody', {}, rows),
      ),
    );
  }

  showEvent({ sequence, unixMs, kind, name, text, requestId }) {
    const words = EVENTS[kind];
    if (words === undefined) return;
    const detail = clean(text ?? '', 80);
    const line = words(clean(name ?? 'a peer', 40), detail === '' ? '' : `: ${detail}`);
    const time = new Date(unixMs);
    const list = byId('events');
    list.prepend(
      html(
        'li',
        { 'data-sequence': sequence, class: `event-${kind}` },
        html('time', { datetime: time.toISOString() }, time.toLocaleTimeString()),
        ` ${line}`,
        requestId === undefined ? null : html('small', {}, ` ${clean(requestId, 8)}`),
      ),
    );
    while (list.children.length > MAX_EVENTS) list.lastElementChild?.remove();
    byId('no-events').hidden = true;
  }

  #announceChanges() {
    const isFirst = this.#states.size === 0;
    for (const { id, state } of this.peers) {
      const before = this.#states.get(id);
      this.#states.set(id, state);
      if (!isFirst && before !== state) this.#announce(`${this.nameOf(id)}: ${clean(state, 16)}`);
    }
  }

  #drawPeers() {
    const make = (peer) =>
      html(
        'li',
        { class: 'peer' },
        html('h3', {}, badge(this.#looks.of(peer.id)), html('span', { class: 'name' })),
        html('p', { class: 'marks' }),
        html('dl'),
      );
    keepInStep(
      byId('peers'),
      this.peers,
      ({ id }) => id,
      make,
      (element, peer) => {
        element.classList.toggle('gone', !['alive', 'draining', 'suspect', 'joining'].includes(peer.state));
        const name = element.querySelector('.name');
        name.textContent = this.nameOf(peer.id);
        name.title = clean(peer.id, 128);
        element
          .querySelector('.marks')
          .replaceChildren(
            chip(peer.state),
            peer.isSelf ? html('span', { class: 'chip' }, 'asked here') : '',
            html('span', { class: 'quiet' }, clean(peer.version, 20)),
          );
        const isGone = element.classList.contains('gone');
        element
          .querySelector('dl')
          .replaceChildren(
            ...(isGone
              ? [fact('Heard', formatAge(peer.lastSeenMs))]
              : facts(peer, this.#cards.get(peer.id)).filter((item) => item !== null)),
          );
      },
    );
  }

  #drawLinks() {
    byId('links').replaceChildren(
      drawLinks(
        this.peers.filter(({ state }) => state !== 'left' && state !== 'failed'),
        this.#pairs,
        this.#looks,
      ),
      html('figcaption', { class: 'quiet' }, 'Width: feature maps handed over in the last seconds.'),
    );
  }
}
