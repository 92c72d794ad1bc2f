/** A peer in this program recognises a digit. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPeer, float32Values, fromFloat32, infer } from 'tilemesh';

const data = await mkdtemp(join(tmpdir(), 'tilemesh-example-'));
const peer = await createPeer({
  data,
  api: { port: 0 },
  discovery: { mdns: false },
  listen: { addresses: ['127.0.0.1'] },
  log: { level: 'warn' },
});
try {
  // An upright stroke, white on black, 28 pixels high and wide.
  const stroke = Float32Array.from({ length: 28 * 28 }, (_, pixel) => {
    const [row, column] = [Math.floor(pixel / 28), pixel % 28];
    return row >= 5 && row < 23 && column >= 13 && column < 16 ? 1 : 0;
  });
  const { outputs, report } = await infer(peer, 'lenet5', fromFloat32([1, 1, 28, 28], stroke));
  const probabilities = float32Values(outputs.get('probabilities')!);
  console.log(`it is a ${probabilities.indexOf(Math.max(...probabilities))}, computed ${report.cut}`);
} finally {
  await peer.stop();
  await rm(data, { recursive: true });
}
