/**
 * Networks of real shape in half precision, from the ONNX file to the answer: throughout, and between a Cast at each end as
 * converters leave them.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOnnxRuntimeKernel } from '../../kernels/onnxruntime/kernel.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { InferenceSession } from 'onnxruntime-node';
import { encodeGraph } from '../../models/onnx/encode.ts';
import { packageOf } from '../../models/package.ts';
import { writeNpy } from '../../models/tasks/npy.ts';
import { postprocess, preprocess } from '../../models/tasks/process.ts';
import { ZOO, type ZooName } from '../../models/zoo/index.ts';
import { loadDigits } from '../../models/zoo/lenet5/digits.ts';
import { fillNormal } from '../../models/zoo/random.ts';
import { byteLength, converted, elementCount, fromFloat32, type Tensor } from '../../src/core/tensor/tensor.ts';
import type { Peer } from '../../src/node.ts';
import { difference, HALF_TOLERANCE, isClose } from '../../src/core/compare.ts';
import type { VerifyReport } from '../../src/verify/verify.ts';
import { halved, halvedInside, type Network } from '../support/half-graph.ts';
import { startLonePeer } from '../support/lone-peer.ts';
import { MemoryMesh } from '../support/memory-mesh.ts';
import { readNpyFile } from '../support/npy-file.ts';
import { tilemesh } from '../support/terminal.ts';
import { weightsOf, writeBlob } from '../support/weights.ts';
import { runSession } from '../support/whole-session.ts';

async function zooNetwork(name: ZooName): Promise<Network> {
  const model = await ZOO[name].open();
  const blob = Buffer.alloc(
    Math.max(0, ...[...model.graph.weights.values()].map((own) => own.offset + byteLength(own.type, own.shape))),
  );
  for (const [weight, bytes] of await weightsOf(model)) blob.set(bytes, model.graph.weights.get(weight)!.offset);
  const [input] = model.graph.inputs;
  const shape = input!.dims.map((extent) => (typeof extent === 'string' ? 1 : extent));
  const values = new Float32Array(elementCount(shape));
  fillNormal(values, 16, 0, 1);
  return { graph: model.graph, blob, inputs: new Map([[input!.name, fromFloat32(shape, values)]]) };
}

/** With its weights inside. */
const onnxFile = ({ graph, blob }: Network): Uint8Array<ArrayBuffer> =>
  encodeGraph(graph, (name) => {
    const { type, shape, offset } = graph.weights.get(name)!;
    return blob.subarray(offset, offset + byteLength(type, shape));
  });

async function whole(file: Uint8Array, inputs: ReadonlyMap<string, Tensor>): Promise<Map<string, Tensor>> {
  const session = await InferenceSession.create(file);
  const outputs = await runSession(session, inputs);
  await session.release();
  return outputs;
}

const ENDS = { 'half throughout': halved, 'single at both ends': halvedInside } as const;
const NETWORKS = ['resnet18', 'mobilenet-v2', 'squeezenet'] as const satisfies readonly ZooName[];
const PEERS = 3;

describe('a network in half precision', function () {
  this.timeout(120_000);
  let folder: string;
  let kernel: Kernel;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tilemesh-half-'));
    kernel = createOnnxRuntimeKernel();
  });
  after(async () => {
    await kernel.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const name of NETWORKS) {
    for (const [ends, convert] of Object.entries(ENDS)) {
      it(`cut over three peers answers as ONNX Runtime does with the whole: ${name}, ${ends}`, async () => {
        const network = convert(await zooNetwork(name));
        const file = onnxFile(network);
        const model = packageOf(file);
        assert.ok([...model.graph.weights.values()].every(({ type }) => type === 'float16'));
        const weightPath = join(folder, `${name}.bin`);
        await writeBlob(weightPath, model, await weightsOf(model));
        const [output] = model.graph.outputs;
        const expected = (await whole(file, network.inputs)).get(output!.name)!;
        assert.equal(expected.type, convert === halved ? 'float16' : 'float32');

        const mesh = new MemoryMesh({ peers: PEERS, kernel, graph: model.graph, weightPath });
        try {
          const { outputs, report } = await mesh.infer(0, network.inputs, PEERS);
          const apart = difference(expected, outputs.get(output!.name)!);
          assert.ok(isClose(apart, HALF_TOLERANCE), `off by ${apart.maxRel} of the largest value`);
          const peers = new Set(report.blocks.flatMap(({ parts }) => parts.map(({ peer }) => peer)));
          assert.equal(peers.size, PEERS, report.cut);
        } finally {
          await mesh.stop();
        }
      });
    }
  }

  it('knows at least 98 % of the digits held back, as LeNet-5 does in single precision', async () => {
    const { heldBack } = await loadDigits();
    const network = halved(await zooNetwork('lenet5'));
    const file = onnxFile(network);
    const [input] = network.graph.inputs;
    const task = await ZOO.lenet5.task();
    const images = new Float32Array(heldBack.length * 784);
    for (const [index, digit] of heldBack.entries()) images.set(digit.input, index * 784);
    const batch = fromFloat32([heldBack.length, 1, 28, 28], images);
    const prepared = await preprocess(task, { kind: 'npy', bytes: writeNpy(batch) }, [input!]);
    assert.equal(prepared.inputs.get(input!.name)!.type, 'float16');
    const scores = (await whole(file, prepared.inputs)).get('probabilities')!;
    const right = heldBack.filter(({ label }, index) => {
      const row = { ...scores, shape: [1, 10], bytes: scores.bytes.subarray(index * 20, index * 20 + 20) };
      const answer = postprocess(task, new Map([['probabilities', row]]), {});
      return answer.kind === 'classes' && answer.top[0]!.index === label;
    });
    assert.ok(right.length >= 0.98 * heldBack.length, `${right.length} of ${heldBack.length}`);
  });

  describe('as a file that a user has', () => {
    let peer: Peer;
    let file: string;
    let network: Network;
    before(async () => {
      network = halved(await zooNetwork('lenet5'));
      file = join(folder, 'half.onnx');
      await writeFile(file, onnxFile(network));
      peer = await startLonePeer(folder);
    });
    after(() => peer.stop());

    it('is verified with random arrays of its own type, and the report says what equal means', async () => {
      const { code, out, err } = await tilemesh('verify', file, '--parts', '2,3', '--seed', '5', '--json');
      assert.equal(code, 0, err);
      const report = JSON.parse(out) as VerifyReport;
      assert.deepEqual(report.tolerance, HALF_TOLERANCE);
      assert.ok(report.cuts.length > 0 && report.cuts.every((cut) => cut.equal));
    });

    it('is imported, and run from .npy to .npy and through the Open Inference Protocol as FP16', async () => {
      const [input] = network.inputs;
      const expected = (await whole(onnxFile(network), network.inputs)).get('probabilities')!;
      const imported = await tilemesh('import', file, '--name', 'half', '--api', peer.apiUrl);
      assert.equal(imported.code, 0, imported.err);

      const array = join(folder, 'image.npy');
      await writeFile(array, writeNpy(input![1]));
      const results = join(folder, 'results');
      const ran = await tilemesh('run', 'half', '--input', `image=${array}`, '--output', results, '--api', peer.apiUrl);
      assert.equal(ran.code, 0, ran.err);
      assert.match(ran.out, /probabilities: float16 \[1, 10\] = 0\.\d+/);
      assert.deepEqual(await readNpyFile(join(results, 'probabilities.npy')), expected);

      const { bytes } = input![1];
      const document = Buffer.from(
        JSON.stringify({
          parameters: { binary_data_output: true },
          inputs: [
            {
              name: 'image',
              datatype: 'FP16',
              shape: [1, 1, 28, 28],
              parameters: { binary_data_size: bytes.byteLength },
            },
          ],
        }),
      );
      const response = await fetch(`${peer.apiUrl}/v2/models/half/infer`, {
        method: 'POST',
        headers: {
          'content-type': 'application/octet-stream',
          'inference-header-content-length': String(document.byteLength),
        },
        body: Buffer.concat([document, bytes]),
      });
      const body = new Uint8Array(await response.arrayBuffer());
      const length = Number(response.headers.get('inference-header-content-length'));
      const reply = JSON.parse(new TextDecoder().decode(body.subarray(0, length))) as {
        readonly outputs: readonly { readonly datatype: string }[];
      };
      assert.equal(reply.outputs[0]!.datatype, 'FP16');
      assert.deepEqual(body.slice(length), expected.bytes);
    });

    it('takes numbers of single precision, rounded to its own', async () => {
      const [input] = network.inputs;
      const single = converted(input![1], 'float32');
      const array = join(folder, 'single.npy');
      await writeFile(array, writeNpy(single));
      const ran = await tilemesh('run', 'half', array, '--json', '--api', peer.apiUrl);
      assert.equal(ran.code, 0, ran.err);
    });
  });
});
