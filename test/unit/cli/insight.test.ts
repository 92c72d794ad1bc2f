/** Commands that show how the mesh is, against a peer that answers what a test wants. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MeshEvent } from '../../../src/api/insight.ts';
import type { Api } from '../../../src/api/server.ts';
import { findPeer } from '../../../src/cli/commands/peer.ts';
import { fitting } from '../../../src/cli/commands/top.ts';
import { runProgram } from '../../../src/cli/main.ts';
import { createProgram } from '../../../src/cli/program.ts';
import type { Screen, Terminal } from '../../../src/cli/terminal.ts';
import { MeshError } from '../../../src/core/errors.ts';
import { Journal } from '../../../src/observability/journal.ts';
import { fakePeer, member, OTHER, SELF, startFakeApi, TOKEN, type FakeOptions } from '../../support/fake-peer.ts';
import { ENTRY, REQUEST, sampleTrace, WORKER } from '../../support/sample-trace.ts';
import { recordingTerminal, tilemesh } from '../../support/terminal.ts';

const NOBODY = '127.0.0.1:9';
/** Moves the cursor, clears the screen, sets the title: none of it may reach a terminal. */
const NASTY = 'sh\x1b[2J\x1b]0;pwned\x07elf\r\u202e\n';
const CONTROLS = /[^\P{C}\n\t]/u;

describe('command line, looking at the mesh', () => {
  let folder: string;
  const open: Api[] = [];
  const serve = async (options: FakeOptions = {}): Promise<string> => {
    const api = await startFakeApi(fakePeer(options));
    open.push(api);
    return api.url;
  };
  before(async () => void (folder = await mkdtemp(join(tmpdir(), 'tilemesh-insight-'))));
  after(() => rm(folder, { recursive: true }));
  afterEach(() => Promise.all(open.splice(0).map((api) => api.close())));

  const summary = {
    requestId: REQUEST,
    model: 'double',
    entry: OTHER,
    state: 'running',
    reason: '',
    coordinator: OTHER,
    term: 1,
    arrivedUnixMs: Date.now(),
    elapsedMs: 12,
  } as const;
  const requests = () =>
    Promise.resolve([summary, { ...summary, requestId: 'ab'.repeat(16) as never, state: 'answered' as const }]);
  const nasty = member({ id: OTHER, name: NASTY, isSelf: false, version: NASTY, models: [NASTY], lastSeenMs: 9_000 });

  it('health is one line and an exit code', async () => {
    const cases = [
      [[member()], 0, 'fine: 1 of 1 peer alive\n'],
      [[member(), member({ id: OTHER, isSelf: false, name: 'b' }), { ...nasty, name: 'c', state: 'failed' as const }], 1, 'degraded: 2 of 3 peers alive; c is failed (not heard for 9 s)\n'], // prettier-ignore
      [[member({ state: 'draining' })], 2, 'critical: 0 of 1 peer alive; kitchen takes no requests: it is draining\n'],
    ] as const;
    for (const [members, code, line] of cases) {
      const api = await serve({ members, isReady: code !== 2 });
      assert.deepEqual(await tilemesh('health', '--api', api), { code, out: line, err: '' });
      const { out } = await tilemesh('health', '--api', api, '--json');
      assert.equal((JSON.parse(out) as { schema: string }).schema, 'tilemesh.health/1');
    }
  });

  it('all end with 3 when no peer answers, and say how to start one', async () => {
    const commands = ['health', 'status', 'peers', 'peers -w', 'peer inspect', 'peer ping x', 'peer drain', 'bench x', 'ps', 'trace last', 'events', 'logs', 'pull x', 'rm x', 'models']; // prettier-ignore
    for (const command of commands) {
      const { code, out, err } = await tilemesh(...command.split(' '), '--api', NOBODY);
      assert.deepEqual([code, out], [3, ''], command);
      assert.match(err, /^tilemesh: no peer answers at .*: start one with "npx tilemesh up".*\n$/, command);
    }
  });

  it('show nothing of what names from the network could do to a terminal', async () => {
    const events = new Journal<MeshEvent>(8);
    events.write({ kind: 'member-up', peer: OTHER, name: NASTY, text: NASTY });
    const logs = new Journal<string>(8);
    logs.write(JSON.stringify({ level: 40, time: 0, msg: NASTY, [NASTY]: NASTY }));
    const heard = { peer: OTHER, card: null, clockSkewMs: 0, roundTripMs: 0, reason: NASTY };
    const api = await serve({
      members: [member(), { ...nasty, state: 'failed' }],
      insight: {
        events,
        logs,
        requests: () => Promise.resolve([{ ...summary, model: NASTY, reason: NASTY }]),
        cards: () => Promise.resolve([heard]),
        trace: () => Promise.resolve(sampleTrace()),
      },
    });
    const commands = ['health', 'status', 'peers', 'peers -w', 'peers --plain', `peer inspect ${OTHER}`, 'ps', 'trace last', 'events', 'logs', 'doctor']; // prettier-ignore
    for (const command of commands) {
      const { out, err } = await tilemesh(...command.split(' '), '--api', api);
      assert.notEqual(out, '', command);
      assert.doesNotMatch(out + err, CONTROLS, command);
    }
  }).timeout(30_000);

  it('answer with JSON that names its schema', async () => {
    const events = new Journal<MeshEvent>(8);
    events.write({ kind: 'models-changed' });
    const logs = new Journal<string>(8);
    logs.write(JSON.stringify({ level: 40, time: 0, msg: 'hm' }));
    const api = await serve({ insight: { events, logs, requests, trace: () => Promise.resolve(sampleTrace()) } });
    const schemas = { status: 'status/1', peers: 'peers/1', 'peers -w': 'peers/1', 'peer inspect': 'peer/1', ps: 'ps/1', 'trace last': 'trace/1', events: 'event/1', logs: 'log/1', models: 'models/1', 'pull double': 'pull/1', 'rm double': 'rm/1', 'config show': 'config/1' }; // prettier-ignore
    for (const [command, schema] of Object.entries(schemas)) {
      const target = command === 'config show' ? [] : ['--api', api];
      const request = command === 'trace last' ? ['trace', REQUEST] : command.split(' ');
      const { out, code } = await tilemesh(...request, ...target, '--json');
      assert.equal(code, 0, command);
      assert.equal((JSON.parse(out) as { schema: string }).schema, `tilemesh.${schema}`, command);
    }
  });

  it('peers -w says what is known of each, and marks the one that was asked', async () => {
    const api = await serve({ members: [member(), member({ id: OTHER, name: 'shelf', isSelf: false })] });
    const { out } = await tilemesh('peers', '-w', '--api', api);
    assert.match(out, /^NAME .* P50 .* P99 .* LOSS .* TEMP .* THROTTLED .* TILES\/S .* ERRORS .* SEEN /);
    assert.match(out, /^kitchen \(this peer\) /m);
    assert.match(out, /^shelf /m);
  });

  it('ps shows what is in flight, and all of late when asked to; plain for other programs', async () => {
    const api = await serve({ insight: { requests } });
    assert.equal((await tilemesh('ps', '--api', api, '--plain')).out.split('\n').length, 2);
    const { out } = await tilemesh('ps', '--all', '--api', api, '--plain');
    const [first] = out.split('\n');
    assert.deepEqual(first!.split('\t').slice(0, 4), [REQUEST, 'double', 'running', '12 ms']);
    assert.equal(out.split('\n').length, 3);
    assert.match((await tilemesh('ps', '--api', await serve())).out, /^No request is in flight/);
  });

  it('trace finds a request by the beginning of its id, and says when it is none', async () => {
    const asked: string[] = [];
    const trace = (id: string) => {
      asked.push(id);
      return Promise.resolve(sampleTrace());
    };
    const api = await serve({ insight: { requests, trace } });
    for (const name of ['4f4f', 'last', REQUEST]) assert.equal((await tilemesh('trace', name, '--api', api)).code, 0);
    assert.deepEqual(asked, [REQUEST, REQUEST, REQUEST]);
    assert.deepEqual((await tilemesh('trace', '77', '--api', api)).err, 'tilemesh: no request of late begins with 77: see "tilemesh ps --all"\n'); // prettier-ignore
    assert.equal((await tilemesh('trace', 'what?', '--api', api)).code, 2);
  });

  it('trace writes a Chrome trace with an arrow for each piece, and a picture', async () => {
    const api = await serve({ insight: { trace: () => Promise.resolve(sampleTrace()) } });
    const [chrome, svg] = [join(folder, 'trace.json'), join(folder, 'trace.svg')];
    const { code, out } = await tilemesh('trace', REQUEST, '--api', api, '--output', chrome, '--svg', svg);
    assert.equal(code, 0);
    assert.match(out, /term 1, plan 1 by kitchen: plan not kept, replaced \(gone was lost\)/);
    assert.match(out, /KooWGone could not be asked: it did not answer/);
    interface Event {
      readonly ph: string;
      readonly pid: number;
      readonly tid: number;
      readonly ts: number;
      readonly dur: number;
      readonly cat: string;
      readonly id?: string;
      readonly args: { readonly name?: string; readonly from?: string };
    }
    const { traceEvents } = JSON.parse(await readFile(chrome, 'utf8')) as { traceEvents: readonly Event[] };
    const of = (ph: string): readonly Event[] => traceEvents.filter((event) => event.ph === ph);
    assert.deepEqual(of('s').map(({ id }) => id).sort(), ['1/1', '1/3']); // prettier-ignore
    assert.deepEqual(of('f').map(({ id }) => id).sort(), ['1/1', '1/3']); // prettier-ignore
    // An arrow is drawn only where its ends lie in slices of their tracks.
    for (const end of [...of('s'), ...of('f')]) {
      const isInside = of('X').some(({ pid, tid, ts, dur }) => pid === end.pid && tid === end.tid && ts <= end.ts && end.ts <= ts + dur); // prettier-ignore
      assert.ok(isInside, JSON.stringify(end));
    }
    const names = of('M').map(({ args }) => args.name).filter((name) => name !== undefined); // prettier-ignore
    assert.ok(names.includes('kitchen (entry, coordinator)') && names.includes('shelf') && names.includes('lane 2'));
    assert.equal(of('X').filter(({ cat }) => cat === 'compute').length, 2);
    const drawn = await readFile(svg, 'utf8');
    assert.match(drawn, /^<svg .*<\/svg>\n$/s);
    assert.match(drawn, /edges: answered in 30 ms/);
    assert.doesNotMatch(drawn, /\x1b/); // eslint-disable-line no-control-regex
    const { err } = await tilemesh('trace', REQUEST, '--api', api, '--svg', join(folder, 'no/where.svg'));
    assert.match(err, /cannot be written: choose another file/);
  });

  it('events and logs are followed until the user has enough', async () => {
    const events = new Journal<MeshEvent>(8);
    const api = await serve({ insight: { events } });
    const { terminal, written } = recordingTerminal();
    const interruption = new AbortController();
    events.write({ kind: 'member-up', peer: OTHER, name: 'early' });
    const out = (text: string): void => {
      terminal.out(text);
      if (text.includes('early')) events.write({ kind: 'member-down', peer: OTHER, name: 'late', text: 'left' });
      if (text.includes('late')) interruption.abort();
    };
    const watching: Terminal = { ...terminal, out, interrupted: interruption.signal };
    const nobody = () => Promise.reject(new MeshError('INTERNAL', 'not in this test'));
    const code = await runProgram(watching, ['events', '--follow', '--api', api], '0', nobody);
    assert.equal(code, 130);
    assert.match(written().out, /member-up .*early.*\n.*member-down .*late .*left\n$/);
  });

  it('top draws on a screen of its own, ends with q, and gives the terminal back', async () => {
    const api = await serve({ insight: { requests } });
    const { terminal, written } = recordingTerminal();
    let press: ((key: string) => void) | undefined;
    const screen: Screen = {
      size: () => ({ columns: 60, rows: 10 }),
      onKey: (listener) => {
        press = listener;
        return () => (press = undefined);
      },
    };
    let drawn = 0;
    const out = (text: string): void => {
      terminal.out(text);
      if (text.startsWith('\x1b[H') && ++drawn === 2) press?.('q');
    };
    const nobody = () => Promise.reject(new MeshError('INTERNAL', 'not in this test'));
    const code = await runProgram(
      { ...terminal, out, screen },
      ['top', '--interval', '0.2', '--api', api],
      '0',
      nobody,
    );
    assert.equal(code, 0);
    const all = written().out;
    assert.ok(all.startsWith('\x1b[?1049h\x1b[?25l') && all.endsWith('\x1b[?25h\x1b[?1049l'));
    assert.equal(press, undefined);
    const frames = all.split('\x1b[H').slice(1);
    assert.equal(frames.length, 2);
    for (const frame of frames) assert.ok(frame.split('\n').length <= 9);
    assert.deepEqual((await tilemesh('top', '--api', api)).code, 2);
  });

  it('top cuts lines to the screen, colours and wide letters counted right', () => {
    assert.equal(fitting('\x1b[31mabc\x1b[39mdef', 4), '\x1b[31mabc\x1b[39md');
    assert.equal(fitting('漢字ab', 5), '漢字a');
    assert.equal(fitting('漢字', 3), '漢');
  });

  it('names a peer by its name or a part of its id, and guesses what was meant', () => {
    const peers = [
      { id: ENTRY, name: 'kitchen' },
      { id: WORKER, name: 'shelf' },
      { id: `${WORKER}2`, name: 'shelf-2' },
    ];
    assert.equal(findPeer(peers, 'shelf').id, WORKER);
    assert.equal(findPeer(peers, 'Entry').id, ENTRY);
    assert.throws(() => findPeer(peers, '12D3'), { code: 'CONFLICT' });
    assert.throws(() => findPeer(peers, 'kitschen'), /did you mean kitchen\?/);
    assert.throws(() => findPeer(peers, 'xyz'), /there is no peer "xyz" in the mesh: see "tilemesh peers"/);
  });

  it('ping says how long it took', async () => {
    const api = await serve({
      members: [member(), member({ id: OTHER, name: 'shelf', isSelf: false })],
      insight: { ping: () => Promise.resolve([3, 1, 2]) },
    });
    const { out } = await tilemesh('peer', 'ping', 'shelf', '--api', api);
    assert.match(out, /\nleast 1\.00 ms, median 2\.00 ms, most 3\.00 ms\n$/);
    assert.equal((await tilemesh('peer', 'ping', 'kitchen', '--api', api)).code, 1);
    assert.equal((await tilemesh('peer', 'ping', 'shelf', '-c', '0', '--api', api)).code, 2);
  });

  it('drain the peer that is asked, and no other', async () => {
    const members = [member(), member({ id: OTHER, isSelf: false, name: 'shelf' })];
    const home = homedir();
    const folder = await mkdtemp(join(tmpdir(), 'tilemesh-home-'));
    process.env.TILEMESH_API_TOKEN = TOKEN;
    try {
      const api = await serve({ members });
      const { code, out } = await tilemesh('peer', 'drain', '--api', api);
      assert.deepEqual([code, out.split(':')[0]], [0, 'kitchen has nothing in hand']);
      const json = await tilemesh('peer', 'drain', 'kitchen', '--json', '--api', api);
      assert.deepEqual(JSON.parse(json.out), { schema: 'tilemesh.peer-drain/1', peer: SELF, name: 'kitchen', isDone: true }); // prettier-ignore
      const other = await tilemesh('peer', 'drain', 'shelf', '--api', api);
      assert.equal(other.code, 1);
      assert.match(other.err, /^tilemesh: shelf is not the peer that is asked.*--api\n$/);
      const late = await tilemesh('peer', 'drain', '--api', await serve({ members, isDrained: false }));
      assert.equal(late.code, 1);
      assert.match(late.out, /^kitchen is not done in time/);
      delete process.env.TILEMESH_API_TOKEN;
      // Where nothing is known of peers that were started here.
      process.env.HOME = folder;
      assert.match((await tilemesh('peer', 'drain', '--api', api)).err, /a token is needed/);
    } finally {
      delete process.env.TILEMESH_API_TOKEN;
      process.env.HOME = home;
      await rm(folder, { recursive: true });
    }
  });

  it('say where settings come from', async () => {
    const { out } = await tilemesh('config', 'show', '--origin', '--plain');
    assert.match(out, /^mesh\tdefault\tdefault$/m);
    assert.match((await tilemesh('config', 'show', '--config', 'nowhere.ts')).err, /^tilemesh: there is no file .*\n$/);
  });

  it('guess what was meant', async () => {
    assert.match((await tilemesh('peesr')).err, /Did you mean (one of )?.*peers?/);
    assert.match((await tilemesh('peers', '--jsom')).err, /Did you mean --json\?/);
  });

  it('begin their help with examples, all of them', () => {
    const { terminal } = recordingTerminal();
    type Program = ReturnType<typeof createProgram>;
    const visit = (command: Program, path: string): void => {
      let text = '';
      command.configureOutput({ writeOut: (part) => (text += part) });
      command.outputHelp();
      assert.match(text, /^Examples:\n {2}.*tilemesh/, path);
      for (const inner of command.commands) visit(inner, `${path} ${inner.name()}`);
    };
    visit(
      createProgram(terminal, '0', () => Promise.reject(new Error('not here'))),
      'tilemesh',
    );
  });

  it('complete commands and options in bash', async () => {
    const { out } = await tilemesh('completion', 'bash');
    const complete = async (...words: readonly string[]): Promise<readonly string[]> => {
      const line = words.map((word) => `'${word}'`).join(' ');
      const script = `${out}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _tilemesh; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', script]);
      return stdout.trim().split('\n');
    };
    assert.deepEqual(await complete('tilemesh', 'pe'), ['peers', 'peer']);
    assert.deepEqual(await complete('tilemesh', 'peer', 'in'), ['inspect']);
    assert.deepEqual(await complete('tilemesh', 'peer', 'ping', '--c'), ['--count']);
    assert.deepEqual(await complete('tilemesh', 'completion', 'f'), ['fish']);
    for (const shell of ['zsh', 'fish']) {
      assert.match((await tilemesh('completion', shell)).out, /peers[\s\S]*inspect[\s\S]*--count|-l count/);
    }
    assert.equal((await tilemesh('completion', 'tcsh')).code, 2);
  });
});
