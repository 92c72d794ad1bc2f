/** A picture or a text in, the answer out, with who computed it. */
import { readLines } from './connection.js';
import { badge, byId, html, table } from './elements.js';
import { clean, formatBytes, formatMs, formatShare, plural } from './format.js';

const PICTURE_TASKS = new Set([
  'image-classification',
  'object-detection',
  'face-detection',
  'text-detection',
  'text-recognition',
  'tensors',
]);
const TEXT_TASK = 'text-classification';
const OCR = { name: 'ocr', task: 'text-detection', weights: 'imported' };
const MAX_CUT = 32;
const MAX_SHOWN = 12;

/** @returns {string} 32 hexadecimal digits */
const newRequestId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

const percent = (share) => html('span', { class: 'number' }, formatShare(share));

/** A class with a bar as long as it is likely. */
function scored(label, share) {
  const inner = html('span');
  inner.style.width = `${Math.min(100, share * 100)}%`;
  return html(
    'li',
    {},
    html('span', { class: 'label' }, label),
    html('span', { class: 'meter', 'aria-hidden': 'true' }, inner),
    percent(share),
  );
}

const MAKERS = {
  classes: ({ top }) =>
    top.map(({ index, label, probability }) => scored(clean(label ?? `class ${index}`, 60), probability)),
  objects: ({ objects }) => objects.map(({ label, score }) => scored(clean(label, 60), score)),
  faces: ({ faces }) =>
    faces.map(({ score, left, top }) => scored(`face at ${Math.round(left)}, ${Math.round(top)}`, score)),
  boxes: ({ boxes }) =>
    boxes.map(({ points, score }) => scored(`text at ${points[0].map(Math.round).join(', ')}`, score)),
  text: ({ lines }) => lines.map(({ text, confidence }) => scored(clean(text, 200), confidence)),
  tensors: ({ tensors }) =>
    tensors.map(({ name, shape }) => html('li', {}, `${clean(name, 60)}: ${shape.join(' × ')}`)),
};

/** @param {any} answer of the peer @returns {HTMLElement} */
export function answerList(answer) {
  const items = MAKERS[answer.kind]?.(answer) ?? [];
  if (items.length === 0) return html('p', {}, 'Nothing was found.');
  return html('ol', { class: 'answer' }, items.slice(0, MAX_SHOWN));
}

export class Ask {
  #connection;
  #looks;
  #onSent;
  /** @type {Blob | undefined} */
  #picture;
  #previewUrl = '';
  /** @type {Map<string, { name: string, task: string }>} */
  #models = new Map();
  /** @type {AbortController | undefined} */
  #running;

  /** @param {import('./connection.js').Connection} connection @param {import('./palette.js').Looks} looks @param {(requestId: string) => void} onSent */
  constructor(connection, looks, onSent) {
    this.#connection = connection;
    this.#looks = looks;
    this.#onSent = onSent;
    byId('ask').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send();
    });
    byId('picture').addEventListener('change', (event) => this.#take(event.target.files[0]));
    byId('model').addEventListener('change', () => this.#showKind());
    byId('text').addEventListener('input', () => this.#showKind());
    document.addEventListener('paste', (event) => this.#take(event.clipboardData?.files[0]));
    this.#acceptDrops();
    this.#showCuts(1);
  }

  /** @param {{ models: readonly any[], zoo: readonly any[] }} found */
  showModels({ models, zoo }) {
    const known = [...zoo, ...models].filter(({ task }) => PICTURE_TASKS.has(task) || task === TEXT_TASK);
    if (known.some(({ name }) => name === 'ocr-detection')) known.push(OCR);
    const names = new Map(known.map((model) => [model.name, model]));
    if ([...names.keys()].join() === [...this.#models.keys()].join()) return;
    this.#models = names;
    const select = byId('model');
    const before = select.value === '' ? 'lenet5' : select.value;
    select.replaceChildren(
      ...[...names.keys()].map((name) => html('option', { value: name, selected: name === before }, clean(name, 40))),
    );
    this.#showKind();
  }

  /** @param {number} alive peers */
  showCuts(alive) {
    const most = Math.min(MAX_CUT, Math.max(1, alive));
    if (byId('parallelism').children.length !== most + 1) this.#showCuts(most);
  }

  #showCuts(most) {
    const select = byId('parallelism');
    const before = select.value;
    const options = Array.from({ length: most }, (_, index) =>
      html('option', { value: index + 1 }, plural(index + 1, 'peer')),
    );
    select.replaceChildren(html('option', { value: 'auto' }, 'as many as pay'), ...options);
    if ([...select.options].some(({ value }) => value === before)) select.value = before;
  }

  get #isText() {
    return this.#models.get(byId('model').value)?.task === TEXT_TASK;
  }

  #showKind() {
    byId('text-field').hidden = !this.#isText;
    byId('drop').hidden = this.#isText;
    byId('send').textContent = this.#isText || this.#picture === undefined ? 'Ask' : 'Ask again';
    byId('send').disabled = this.#isText ? byId('text').value.trim() === '' : this.#picture === undefined;
  }

  #acceptDrops() {
    let depth = 0;
    const mark = (by) => {
      depth = by === 0 ? 0 : depth + by;
      document.body.classList.toggle('dragging', depth > 0);
    };
    document.addEventListener('dragenter', () => mark(1));
    document.addEventListener('dragleave', () => mark(-1));
    document.addEventListener('dragover', (event) => event.preventDefault());
    document.addEventListener('drop', (event) => {
      event.preventDefault();
      mark(0);
      this.#take(event.dataTransfer?.files[0]);
    });
  }

  #take(file) {
    if (file === undefined) return;
    this.#picture = file;
    URL.revokeObjectURL(this.#previewUrl);
    this.#previewUrl = URL.createObjectURL(file);
    const preview = byId('preview');
    preview.src = this.#previewUrl;
    preview.alt = `The picture ${clean(file.name ?? '', 60)}`;
    preview.hidden = false;
    // A picture is nothing for a model of texts.
    if (this.#isText) byId('model').value = 'lenet5';
    this.#showKind();
    void this.#send();
  }

  async #send() {
    const model = byId('model').value;
    const body = this.#isText ? new TextEncoder().encode(byId('text').value) : this.#picture;
    if (body === undefined || model === '') return;
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    const requestId = newRequestId();
    const query = new URLSearchParams({ requestId, parallelism: byId('parallelism').value });
    const progress = html('p', { class: 'quiet' }, 'asking');
    byId('answer').replaceChildren(progress);
    this.#onSent(requestId);
    try {
      const response = await this.#connection.ask(`tilemesh/v1/models/${encodeURIComponent(model)}/run?${query}`, {
        method: 'POST',
        headers: { accept: 'application/x-ndjson', 'content-type': 'application/octet-stream' },
        body,
        signal: running.signal,
      });
      await readLines(response, (document) => {
        if (document.event === 'progress')
          progress.textContent = `${clean(document.stage, 60)}${document.total > 0 ? ` ${document.completed} of ${document.total}` : ''}`;
        else if (document.event === 'error') throw new Error(document.error);
        else if (document.event === 'result') this.#show(document);
      });
    } catch (error) {
      if (running.signal.aborted) return;
      byId('answer').replaceChildren(html('p', { class: 'problem' }, clean(error.message, 300)));
    }
  }

  #show({ answer, report, weights }) {
    const name = (peer) => clean(report.names?.[peer] ?? '', 40) || clean(peer, 128).slice(-8);
    const shares = new Map();
    for (const { parts } of report.blocks ?? []) {
      for (const { peer, computeMs } of parts) {
        const own = shares.get(peer) ?? { tiles: 0, computeMs: 0 };
        shares.set(peer, { tiles: own.tiles + 1, computeMs: own.computeMs + computeMs });
      }
    }
    const rows = [...shares].map(([peer, { tiles, computeMs }]) => [
      html('span', {}, badge(this.#looks.of(peer)), ` ${name(peer)}`),
      plural(tiles, 'tile'),
      formatMs(computeMs),
    ]);
    byId('answer').replaceChildren(
      answerList(answer),
      weights === 'seeded'
        ? html(
            'p',
            { class: 'hint' },
            'The weights of this model are generated, not trained: the answer means nothing.',
          )
        : '',
      html(
        'p',
        {},
        `${formatMs(report.elapsedMs)}, ${clean(report.cut, 120)}; coordinated by ${name(report.coordinator)}, ${formatBytes(report.bytesPeerToPeer + report.bytesThroughEntry)} moved.`,
      ),
      table('Who computed', ['Peer', 'Tiles', 'Computed'], rows),
    );
  }
}
