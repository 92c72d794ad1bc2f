import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tilemesh } from '../../support/terminal.ts';

const LENET = fileURLToPath(new URL('../../../models/zoo/lenet5/lenet5.onnx', import.meta.url));

async function drawing(...args: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tilemesh-paper-'));
  try {
    const file = join(folder, 'picture.svg');
    const { code, err } = await tilemesh(...args, '--svg', file);
    assert.equal(code, 0, err);
    return await readFile(file, 'utf8');
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('tilemesh plan', () => {
  it('explains each block of a model of the zoo', async () => {
    const { code, out, err } = await tilemesh('plan', 'lenet5', '--peers', '4', '--parallelism', '4');
    assert.equal(code, 0, err);
    assert.match(out, /^lenet5 on 4 rockpro64: \d+ blocks over 4 of them/);
    assert.match(out, /LAYERS +CUT +GMAC +TWICE/);
    assert.match(out, /4 parts of channels/);
    assert.match(out, /predicted .* times as fast as one board/);
  });

  it('answers with one document, of an ONNX file too', async () => {
    const { code, out } = await tilemesh('plan', LENET, '--peers', '3', '--shape', 'image=2,1,28,28', '--json');
    assert.equal(code, 0);
    const report = JSON.parse(out) as {
      schema: string;
      peers: number;
      blocks: unknown[];
      considered: { peers: number }[];
    };
    assert.equal(report.schema, 'tilemesh.plan-report/1');
    assert.equal(report.peers, 3);
    assert.equal(report.blocks.length, 1);
    assert.deepEqual(report.considered[0]!.peers, 1);
  });

  it('says what it assumed of sizes that the model leaves open', async () => {
    const { err } = await tilemesh('plan', LENET, '--peers', '1');
    assert.match(err, /--shape image=1,1,28,28/);
  });

  it('draws tiles, and who does what when', async () => {
    const svg = await drawing('plan', 'lenet5', '--peers', '4', '--parallelism', '4');
    assert.match(svg, /^<svg .*board-04.*<\/svg>\n$/s);
  });

  it('plans for boards of two kinds', async () => {
    const { out } = await tilemesh('plan', 'lenet5', '--board', 'rockpro64:2,raspberrypi4:1');
    assert.match(out, /^lenet5 on 2 rockpro64 and 1 raspberrypi4/);
  });
});

describe('tilemesh simulate', () => {
  it('says when a request is answered and what each board did', async () => {
    const { code, out, err } = await tilemesh('simulate', '--model', 'lenet5', '--peers', '4', '--parallelism', '4');
    assert.equal(code, 0, err);
    assert.match(out, /answered in \d/);
    assert.match(out, /1 answered \(0 of them after a loss\), 0 failed, 0 refused/);
    assert.match(out, /board-04 +rockpro64/);
  });

  it('answers with one document that holds the whole timeline', async () => {
    const args = ['--model', 'lenet5', '--peers', '2', '--parallelism', '2', '--json'];
    const { out } = await tilemesh('simulate', ...args);
    const report = JSON.parse(out) as Record<string, unknown> & {
      timeline: { tiles: unknown[] };
      plan: { blocks: { parts: unknown[] }[] };
      latency: { medianMs: number };
    };
    assert.equal(report.schema, 'tilemesh.simulation/1');
    assert.equal(report.timeline.tiles.length, report.plan.blocks.flatMap(({ parts }) => parts).length);
    assert.ok(report.latency.medianMs > 0);
    assert.equal((await tilemesh('simulate', ...args)).out, out, 'the same again');
  });

  it('goes on without a board that vanishes, and draws it', async () => {
    const args = ['simulate', '--model', 'lenet5', '--peers', '3', '--parallelism', '3', '--kill', 'coordinator@40'];
    const { out } = await tilemesh(...args);
    assert.match(out, /1 answered \(1 of them after a loss\)/);
    assert.match(out, /board-0\d \(gone\)/);
    assert.match(await drawing(...args), /vanishes/);
  });

  it('emulates boards on a machine of a given speed', async () => {
    const args = [
      '--board',
      'emulated:1/16',
      '--core-speed',
      '60',
      '--cores',
      '2',
      '--tick',
      '4',
      '--overhead',
      'tile=0.2',
    ];
    const { code, out, err } = await tilemesh('simulate', '--model', 'lenet5', '--peers', '2', ...args);
    assert.equal(code, 0, err);
    assert.match(out, /2 0\.0625 of a core/);
  });

  it('divides more boards than a mesh holds into several', async () => {
    const load = ['--clients', '30', '--seconds', '0.2'];
    const { out } = await tilemesh('simulate', '--model', 'lenet5', '--peers', '600', '--parallelism', '1', ...load);
    assert.match(out, /3 meshes of 200: what follows is one of them/);
    assert.match(out, /of all meshes/);
    assert.match(out, /and 168 more/);
  });
});

describe('tilemesh plan and simulate refuse in one clear line', () => {
  const refusals: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['plan', 'lenet6'], 2, /there is no model "lenet6": .*lenet5/],
    [['plan', 'no-such.onnx'], 1, /no-such\.onnx/],
    [['plan', 'lenet5', '--board', 'abacus'], 1, /there is no board "abacus": use rockpro64/],
    [['plan', 'lenet5', '--link', 'string'], 1, /"string" is no link: use 1gbit/],
    [['plan', 'lenet5', '--shape', 'picture=1,1,28,28'], 2, /its inputs are: image/],
    [['plan', 'vgg16', '--peers', '2', '--memory', '10', '--board', '10'], 1, /memory/],
    [['plan', 'lenet5', '--board', 'rockpro64:2', '--peers', '3'], 1, /count/],
    [['simulate', '--model', 'lenet5', '--peers', '2', '--kill', 'x@3'], 2, /3@120/],
    [['simulate', '--model', 'lenet5', '--peers', '2', '--kill', '7@3'], 1, /no board 7 to kill: there are 2/],
    [['simulate', '--model', 'lenet5', '--peers', '2', '--load', '1', '--clients', '1'], 2, /either/],
    [['simulate', '--model', 'lenet5', '--peers', '2', '--overhead', 'speed=1'], 2, /message=0\.1/],
  ];
  for (const [args, expected, message] of refusals) {
    it(args.join(' '), async () => {
      const { code, out, err } = await tilemesh(...args);
      assert.equal(code, expected, err);
      assert.equal(out, '');
      const lines = err.split('\n').filter((line) => line.startsWith('tilemesh: '));
      assert.equal(lines.length, 1, err);
      assert.match(lines[0]!, message);
    });
  }

  for (const args of [
    ['simulate'],
    ['plan'],
    ['plan', 'lenet5', '--peers', '0'],
    ['plan', 'lenet5', '--memory', 'much'],
    ['simulate', '--model', 'lenet5', '--load', '-1'],
    ['simulate', '--model', 'lenet5', '--seed', 'x'],
  ]) {
    it(args.join(' '), async () => {
      const { code, err } = await tilemesh(...args);
      assert.equal(code, 2);
      assert.match(err, /^tilemesh: .*: --help shows how\n$/);
    });
  }
});
