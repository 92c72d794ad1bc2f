/** Asks a peer over HTTP, as a client of any server of the Open Inference Protocol does. `node open-inference.ts http://127.0.0.1:8470` */
const [url = 'http://127.0.0.1:8470'] = process.argv.slice(2);

// A body of nothing but the bytes of the only input: 28 by 28 pixels, float32, little-endian.
const pixels = new Float32Array(28 * 28);
const response = await fetch(`${url}/v2/models/lenet5/infer`, {
  method: 'POST',
  headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': '0' },
  body: new Uint8Array(pixels.buffer),
});
if (!response.ok) throw new Error(await response.text());

// The document comes first, and then the bytes of the outputs.
const body = await response.arrayBuffer();
const length = Number(response.headers.get('inference-header-content-length'));
const document = JSON.parse(new TextDecoder().decode(body.slice(0, length))) as {
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
};
const probabilities = new Float32Array(body.slice(length));
console.log(
  document.outputs[0]!.name,
  document.outputs[0]!.shape,
  [...probabilities].map((value) => value.toFixed(2)),
);
console.log(`coordinated by ${response.headers.get('tilemesh-coordinator')}: ${response.headers.get('server-timing')}`);
