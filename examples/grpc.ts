/** Asks a peer over gRPC. `TILEMESH_GRPC_PORT=8471 npx tilemesh up`, then `node grpc.ts 127.0.0.1:8471`; needs grpc-js and proto-loader. */
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, type Client, type ServiceClientConstructor } from '@grpc/grpc-js';
import { load } from '@grpc/proto-loader';

const [address = '127.0.0.1:8471'] = process.argv.slice(2);

const file = new URL('protocols/inference/inference.proto', import.meta.resolve('tilemesh/package.json'));
const { inference } = loadPackageDefinition(await load(fileURLToPath(file))) as unknown as {
  readonly inference: { readonly GRPCInferenceService: ServiceClientConstructor };
};

interface Reply {
  readonly outputs: readonly { readonly name: string }[];
  readonly rawOutputContents: readonly Buffer[];
}
type Inferring = Client & {
  ModelInfer(request: object, done: (error: Error | null, reply: Reply) => void): void;
};

const client = new inference.GRPCInferenceService(address, credentials.createInsecure()) as unknown as Inferring;
const reply = await new Promise<Reply>((resolve, reject) => {
  const request = {
    modelName: 'lenet5',
    inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 1, 28, 28] }],
    rawInputContents: [Buffer.alloc(28 * 28 * 4)],
  };
  client.ModelInfer(request, (error, answer) => {
    if (error === null) resolve(answer);
    else reject(error);
  });
});
client.close();
const [bytes] = reply.rawOutputContents;
const probabilities = Array.from({ length: bytes!.length / 4 }, (_, index) => bytes!.readFloatLE(index * 4));
console.log(
  reply.outputs[0]!.name,
  probabilities.map((value) => value.toFixed(2)),
);
