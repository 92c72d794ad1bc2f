/** The chosen request: in words, as feature maps cut into tiles, block by block, and as a chart over time. */
import { drawGantt } from './draw-gantt.js';
import { drawMap } from './draw-maps.js';
import { badge, byId, html, table } from './elements.js';
import { clean, formatBox, formatBytes, formatMs, plural } from './format.js';
import { axisName, bytesBefore, madeBy, readBy } from './maps.js';
import { workBeginsMs } from './gantt.js';
import { sharesOf, shownAttempt, spansOf } from './trace.js';

const THUMBNAIL = 64;
const LARGE = 300;
const MAX_ROWS = 600;
/** A trace that cannot be had is asked for so often, and then when the request has changed. */
const MAX_FAILURES = 3;
const RETRY_MS = 1_000;

/** What a trace is shown of: it is asked for again when this changes. */
const stageOf = ({ requestId, state, term }) => `${requestId} ${state} ${term}`;

const shapeText = (shape) => (shape.length > 1 ? shape.slice(1) : shape).join(' × ');

export class RequestView {
  #connection;
  #looks;
  #nameOf;
  /** @type {{ requestId: string, state: string, term: number } | undefined} */
  #wanted;
  #trace;
  #block = 0;
  /** @type {number | null} participant that is looked at by itself */
  #chosen = null;
  #isAsking = false;
  #isStale = false;
  #shownStage = '';

  /** @param {import('./connection.js').Connection} connection @param {import('./palette.js').Looks} looks @param {(id: string) => string} nameOf */
  constructor(connection, looks, nameOf) {
    this.#connection = connection;
    this.#looks = looks;
    this.#nameOf = nameOf;
    let width = 0;
    new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 2) return;
      width = entry.contentRect.width;
      if (this.#trace !== undefined) this.#drawGantt();
    }).observe(byId('request-panel'));
  }

  get requestId() {
    return this.#wanted?.requestId ?? '';
  }

  /** @param {{ requestId: string, state: string, term: number }} summary the request as the list has it now */
  show(summary) {
    if (summary.requestId !== this.requestId) this.#chosen = null;
    this.#wanted = summary;
    this.#isStale = summary.state === 'running' || stageOf(summary) !== this.#shownStage;
    if (this.#isStale && !this.#isAsking) void this.#catchUp();
  }

  /** One question at a time, until what is shown is what is wanted: it may have become another meanwhile. */
  async #catchUp() {
    this.#isAsking = true;
    for (let failures = 0; this.#isStale && failures < MAX_FAILURES;) {
      const wanted = this.#wanted;
      this.#isStale = false;
      try {
        const trace = await this.#connection.json(`tilemesh/v1/requests/${wanted.requestId}/trace`);
        failures = 0;
        if (wanted.requestId !== this.requestId) continue;
        const isNew = this.#trace?.requestId !== wanted.requestId;
        this.#trace = trace;
        this.#shownStage = stageOf(wanted);
        this.#draw(isNew);
      } catch (error) {
        failures += 1;
        this.#isStale = true;
        byId('request').replaceChildren(html('p', { role: 'alert' }, clean(error.message, 200)));
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    this.#isAsking = false;
  }

  get #plan() {
    return this.#trace.attempts[shownAttempt(this.#trace)]?.plan ?? null;
  }

  #name(peer) {
    const told = clean(this.#trace.names[peer] ?? '', 40);
    return told === '' ? this.#nameOf(peer) : told;
  }

  #draw(isNew) {
    const trace = this.#trace;
    this.#looks.meet(Object.entries(trace.names).map(([id, name]) => ({ id, name })));
    const plan = this.#plan;
    const title = byId('request-title');
    title.textContent = `Request: ${clean(trace.model ?? 'of an unknown model', 40)}, ${trace.state} ${trace.state === 'running' ? 'for' : 'in'} ${formatMs(trace.elapsedMs)}`;
    byId('request').dataset.shown = `${trace.requestId} ${trace.state}`;
    if (isNew) this.#block = 0;
    if (plan !== null) this.#block = Math.min(this.#block, plan.blocks.length - 1);
    byId('request').replaceChildren(
      this.#summary(),
      ...(plan === null
        ? [
            html(
              'p',
              { class: 'quiet' },
              trace.state === 'running' ? 'It is not planned yet.' : 'No peer keeps its plan any more.',
            ),
          ]
        : [this.#legend(), html('div', { id: 'blocks' }), html('div', { id: 'chosen-block' })]),
      html(
        'h3',
        {},
        'Peers over time',
        workBeginsMs(trace) > 0
          ? html('small', {}, `, from ${formatMs(workBeginsMs(trace))} on: before, weights and plan were made`)
          : '',
      ),
      html('div', { id: 'gantt', class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Peers over time' }),
      this.#ganttLegend(),
      html(
        'details',
        {},
        html('summary', {}, 'Peers of this request as a table'),
        html(
          'div',
          { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Peers of this request' },
          this.#shares(),
        ),
      ),
    );
    if (plan !== null) {
      this.#drawBlocks();
      this.#drawBlock();
    }
    this.#drawGantt();
  }

  #summary() {
    const trace = this.#trace;
    const plan = this.#plan;
    const moved = trace.peers.reduce(
      (sum, { received }) => sum + received.reduce((own, { bytes }) => own + bytes, 0),
      0,
    );
    const attempt = trace.attempts.at(-1);
    const lost = trace.attempts.filter(({ outcome, reason }) => outcome === 'replaced' && reason !== '');
    const facts = [
      trace.entry === null ? 'its entry is gone' : `came in at ${this.#name(trace.entry)}`,
      attempt?.coordinator == null ? null : `coordinated by ${this.#name(attempt.coordinator)} (term ${attempt.term})`,
      plan === null ? null : `${plural(plan.blocks.length, 'block')} over ${plural(plan.participants.length, 'peer')}`,
      `${formatBytes(moved)} moved`,
      plan === null || plan.singleMs === 0 ? null : `one peer alone: ${formatMs(plan.singleMs)} predicted`,
      ...lost.map(({ reason }) => `planned anew: ${clean(reason, 80)}`),
      ...trace.missing.map(({ peer }) => `${this.#name(peer)} did not answer`),
    ];
    return html(
      'p',
      { class: 'facts' },
      facts.filter((text) => text !== null).map((text) => html('span', {}, text)),
    );
  }

  /** Whoever takes part, to be looked at alone: the way to what a click on a tile does. */
  #legend() {
    const { participants } = this.#plan;
    const numbered = participants
      .map((peer, participant) => ({ peer, participant }))
      .sort((a, b) => this.#looks.of(a.peer).number - this.#looks.of(b.peer).number);
    const buttons = numbered.map(({ peer, participant }) =>
      html(
        'button',
        {
          type: 'button',
          class: 'peer-button',
          'aria-pressed': String(this.#chosen === participant),
          'data-participant': participant,
          onclick: () => this.#choose(participant),
        },
        badge(this.#looks.of(peer)),
        this.#name(peer),
      ),
    );
    return html(
      'div',
      { id: 'legend', class: 'legend', role: 'group', 'aria-label': 'Look at the tiles of one peer' },
      ...buttons,
    );
  }

  #choose(participant) {
    this.#chosen = this.#chosen === participant ? null : participant;
    byId('legend')
      .querySelectorAll('button')
      .forEach((button) =>
        button.setAttribute('aria-pressed', String(button.dataset.participant === String(this.#chosen))),
      );
    this.#drawBlock();
  }

  #lookOf = (participant) => this.#looks.of(this.#plan.participants[participant]);

  get #largest() {
    return Math.max(
      1,
      ...Object.values(this.#plan.tensors).flatMap(({ shape }) => (shape?.length === 4 ? shape.slice(2) : [])),
    );
  }

  #slowest(block) {
    const spans = spansOf(this.#trace, shownAttempt(this.#trace));
    const times = this.#plan.blocks[block].tiles.flatMap((_, part) => {
      const span = spans.get(`${block}/${part}`);
      return span === undefined ? [] : [span.endMs - span.startMs];
    });
    return times.length === 0 ? null : Math.max(...times);
  }

  #layers(block, most) {
    const { nodes, nodeCount } = this.#plan.blocks[block];
    const text = nodeCount === 1 ? nodes[0] : `${nodes[0]} … ${nodes.at(-1)}`;
    return clean(text, most);
  }

  #drawBlocks() {
    const plan = this.#plan;
    const items = plan.blocks.map((block, index) => {
      const slowest = this.#slowest(index);
      const button = html(
        'button',
        {
          type: 'button',
          class: 'block-button',
          'aria-pressed': String(index === this.#block),
          onclick: () => this.#show(index),
        },
        drawMap(madeBy(plan, index), { lookOf: this.#lookOf, side: THUMBNAIL, largest: this.#largest, isSmall: true }),
        html('strong', {}, `${index + 1}. ${this.#layers(index, 22)}`),
        html('span', {}, clean(block.cut, 34)),
        html('span', {}, slowest === null ? 'not computed' : formatMs(slowest)),
      );
      return html('li', {}, button);
    });
    byId('blocks').replaceChildren(
      html('h3', {}, 'Feature maps, block by block'),
      html('ol', { class: 'blocks', onkeydown: (event) => this.#step(event) }, items),
    );
  }

  /** Arrow keys go from block to block. */
  #step(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const last = this.#plan.blocks.length - 1;
    this.#show(Math.min(last, Math.max(0, by === Infinity ? last : by === -Infinity ? 0 : this.#block + by)));
    byId('blocks').querySelectorAll('button')[this.#block]?.focus();
  }

  #show(block) {
    this.#block = block;
    byId('blocks')
      .querySelectorAll('button')
      .forEach((button, index) => button.setAttribute('aria-pressed', String(index === block)));
    this.#drawBlock();
    this.#drawGantt();
  }

  #drawBlock() {
    const plan = this.#plan;
    const block = plan.blocks[this.#block];
    const [reads, makes] = [readBy(plan, this.#block), madeBy(plan, this.#block)];
    const options = {
      lookOf: this.#lookOf,
      side: LARGE,
      chosen: this.#chosen,
      onChoose: (participant) => this.#choose(participant),
    };
    const who = this.#chosen === null ? '' : ` by ${this.#name(plan.participants[this.#chosen])}`;
    const pieces = reads.pieces.filter(({ to }) => this.#chosen === null || to === this.#chosen);
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    const halos =
      pieces.length === 0
        ? 'Nothing comes from other peers'
        : `${plural(pieces.length, 'piece')}, ${formatBytes(bytes)}, from other peers`;
    const picture = (heading, map, text) =>
      html(
        'figure',
        {},
        html('figcaption', {}, html('strong', {}, heading), ` ${clean(map.tensor, 40)}, ${shapeText(map.shape)}`),
        drawMap(map, {
          ...options,
          title: `${heading}: ${clean(map.tensor, 40)}, ${plural(map.tiles.length, 'tile')}; ${text}`,
        }),
        html('p', { class: 'quiet' }, `${axisName(map.shape, map.axes)} across. ${text}`),
      );
    const spans = spansOf(this.#trace, shownAttempt(this.#trace));
    const rows = block.tiles.map(({ participant, outputs, inputs }, part) => {
      const span = spans.get(`${this.#block}/${part}`);
      const own = plan.pieces.filter(({ reader }) => reader?.[0] === this.#block && reader[1] === part);
      return [
        `${part + 1}`,
        this.#name(plan.participants[participant]),
        formatBox(outputs[makes.tensor]),
        formatBox(inputs[reads.tensor]),
        formatBytes(own.reduce((sum, piece) => sum + piece.bytes, 0)),
        span === undefined ? '–' : formatMs(span.endMs - span.startMs),
      ];
    });
    const heading = html('h4', {}, `Block ${this.#block + 1}: ${this.#layers(this.#block, 60)}`);
    const wasOpen = byId('chosen-block').querySelector('details')?.open === true;
    byId('chosen-block').replaceChildren(
      heading,
      html(
        'p',
        { class: 'quiet' },
        `${clean(block.cut, 60)}; ${formatBytes(bytesBefore(plan, this.#block))} moved before it. Hatched: ${reads.isInput ? 'halos, which several peers read' : 'halos, which tiles read beyond what their peers hold'}.`,
      ),
      html(
        'div',
        { class: 'pair' },
        picture('It reads', reads, this.#chosen === null ? halos : `Outlined: what is read${who}; ${halos}`),
        html('span', { class: 'arrow-between', 'aria-hidden': 'true' }, '→'),
        picture(
          'It makes',
          makes,
          `${plural(makes.tiles.length, 'tile')}${this.#chosen === null ? '' : `; bright: those made${who}`}`,
        ),
      ),
      html(
        'details',
        { open: wasOpen },
        html('summary', {}, 'Tiles of this block as a table'),
        html(
          'div',
          { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Tiles of this block' },
          table(
            'Tiles of this block',
            ['Tile', 'Peer', 'Makes', 'Reads', 'From others', 'Took'],
            rows.slice(0, MAX_ROWS),
          ),
        ),
      ),
    );
  }

  #drawGantt() {
    const trace = this.#trace;
    const box = byId('gantt');
    const attempt = shownAttempt(trace);
    const shares = sharesOf(trace);
    const peers = shares.map(({ peer }) => peer).sort((a, b) => this.#looks.of(a).number - this.#looks.of(b).number);
    const width = Math.max(280, Math.floor(byId('request').clientWidth));
    const busiest = [...shares].sort((a, b) => b.computeMs - a.computeMs)[0];
    const fromMs = workBeginsMs(trace);
    const title = `${plural(peers.length, 'peer')} over ${formatMs(trace.elapsedMs)}${busiest === undefined ? '' : `; ${this.#name(busiest.peer)} computed longest, ${formatMs(busiest.computeMs)}`}`;
    const pieces = new Set(
      (this.#plan?.pieces ?? []).filter(({ reader }) => reader?.[0] === this.#block).map(({ id }) => id),
    );
    box.replaceChildren(
      drawGantt(trace, {
        peers,
        width,
        looks: this.#looks,
        nameOf: (peer) => this.#name(peer),
        attempt,
        fromMs,
        block: this.#block,
        pieces,
        title,
      }),
    );
  }

  #ganttLegend() {
    return html(
      'p',
      { class: 'keys quiet' },
      html('span', { class: 'key key-tile' }, 'tile, with the number of its block; framed: the chosen block'),
      html('span', { class: 'key key-out' }, 'sends'),
      html('span', { class: 'key key-in' }, 'receives'),
      html('span', { class: 'key key-arrow' }, 'piece that the chosen block waits for'),
    );
  }

  #shares() {
    return table(
      'Peers of this request',
      ['Peer', 'Tiles', 'Computed', 'Received', 'Sent'],
      sharesOf(this.#trace).map(({ peer, tiles, computeMs, receivedBytes, sentBytes }) => [
        this.#name(peer),
        String(tiles),
        formatMs(computeMs),
        formatBytes(receivedBytes),
        formatBytes(sentBytes),
      ]),
    );
  }
}
