/** The page: what comes in over the live stream goes to the views, and what people choose goes to the peer. */
import { Ask } from './ask.js';
import { Connection } from './connection.js';
import { badge, byId, html, keepInStep } from './elements.js';
import { clean, formatAge, formatMs } from './format.js';
import { Overview } from './overview.js';
import { Looks } from './palette.js';
import { RequestView } from './request.js';

const STATES = { running: '◔', answered: '✓', failed: '✕' };
/** Of changes that are read out, so many at once: more would be noise. */
const MAX_ANNOUNCED = 3;

/** Asks the person for the token; resolves when there is one. @param {string} problem with the one before */
function askToken(problem) {
  const dialog = byId('token-dialog');
  const field = byId('token');
  byId('token-problem').textContent = problem;
  field.value = '';
  if (!dialog.open) dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    const submit = (event) => {
      event.preventDefault();
      byId('token-form').removeEventListener('submit', submit);
      dialog.close();
      resolve(field.value.trim());
    };
    byId('token-form').addEventListener('submit', submit);
  });
}

let pending = [];
function announce(text) {
  pending.push(text);
  if (pending.length > 1) return;
  setTimeout(() => {
    const more = pending.length - MAX_ANNOUNCED;
    const told = pending.slice(0, MAX_ANNOUNCED).map((line) => html('p', {}, line));
    byId('announcements').replaceChildren(...told, ...(more > 0 ? [html('p', {}, `and ${more} more changes`)] : []));
    pending = [];
  }, 300);
}

const looks = new Looks();
const connection = new Connection(askToken);
const overview = new Overview(looks, announce);
const view = new RequestView(connection, looks, (id) => overview.nameOf(id));
let requests = [];
let models = { models: [], zoo: [] };
/** @type {string | undefined} a request that this page sent, to be shown once it is listed */
let awaited;

const ask = new Ask(connection, looks, (requestId) => {
  awaited = requestId;
});

function choose(requestId) {
  byId('follow').checked = false;
  awaited = undefined;
  showRequest(requests.find((request) => request.requestId === requestId));
}

function showRequest(request) {
  if (request === undefined) return;
  view.show(request);
  for (const button of byId('requests').querySelectorAll('button')) {
    button.setAttribute('aria-current', String(button.parentElement.getAttribute('data-key') === request.requestId));
  }
}

function drawRequests() {
  const make = ({ requestId }) =>
    html(
      'li',
      {},
      html(
        'button',
        { type: 'button', onclick: () => choose(requestId) },
        html('span', { class: 'what' }),
        html('span', { class: 'more quiet' }),
      ),
    );
  keepInStep(
    byId('requests'),
    requests,
    ({ requestId }) => requestId,
    make,
    (element, request) => {
      element.className = `request-${clean(request.state, 16)}`;
      element
        .querySelector('.what')
        .replaceChildren(
          html('span', { 'aria-hidden': 'true' }, `${STATES[request.state] ?? '?'} `),
          html('strong', {}, clean(request.model, 40)),
          ` ${clean(request.state, 16)}, ${formatMs(request.elapsedMs)}`,
        );
      const { coordinator } = request;
      element
        .querySelector('.more')
        .replaceChildren(
          ...(coordinator === null
            ? []
            : [badge(looks.of(coordinator)), ` ${overview.nameOf(coordinator)} coordinates, `]),
          formatAge(Date.now() - request.arrivedUnixMs),
        );
    },
  );
  byId('no-requests').hidden = requests.length > 0;
}

function followRequests() {
  const isThere = requests.some(({ requestId }) => requestId === awaited);
  const wanted = isThere ? awaited : byId('follow').checked ? requests[0]?.requestId : view.requestId;
  showRequest(requests.find(({ requestId }) => requestId === wanted));
}

const SECTIONS = {
  peers: (document) => {
    overview.showPeers(document);
    overview.showModels(models);
    ask.showCuts(document.health.alive);
  },
  cards: (document) => overview.showCards(document),
  models: (document) => {
    models = document;
    overview.showModels(document);
    ask.showModels(document);
  },
  requests: (document) => {
    requests = document.requests;
    drawRequests();
    followRequests();
  },
  event: (document) => {
    overview.showEvent(document);
    if (document.kind === 'request-failed') announce('a request failed');
  },
};

function showConnection(isLive) {
  const chip = byId('connection');
  chip.textContent = isLive ? '● live' : '◌ connecting again';
  chip.className = isLive ? 'chip state-alive' : 'chip state-suspect';
}

byId('follow').addEventListener('change', () => {
  awaited = undefined;
  followRequests();
});
void connection.follow((section, document) => SECTIONS[section]?.(document), showConnection);
