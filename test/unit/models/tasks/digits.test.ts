/** Handwritten digits as people send them, photographed dark on light paper, against the network they are meant for. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import { imageTensor } from '../../../../models/tasks/image.ts';
import { DIGIT_IMAGE } from '../../../../models/tasks/image-spec.ts';
import { DIGIT_SIDE, loadDigits } from '../../../../models/zoo/lenet5/digits.ts';
import { float32Values } from '../../../../src/core/tensor/tensor.ts';

/** Every twentieth digit that LeNet-5 was not trained on. */
const EVERY = 20;

async function photograph(digit: Float32Array): Promise<Buffer> {
  const grey = Uint8Array.from(digit, (value) => Math.round(220 - value * 180));
  const large = await sharp(grey, { raw: { width: DIGIT_SIDE, height: DIGIT_SIDE, channels: 1 } })
    .resize(420, 420, { kernel: 'cubic' })
    .png()
    .toBuffer();
  return sharp(large)
    .extend({ left: 150, right: 40, top: 60, bottom: 200, background: '#dcdcdc' })
    .jpeg({ quality: 80 })
    .toBuffer();
}

describe('digits on paper', () => {
  it('are recognised nearly as well as the originals', async () => {
    const model = new URL('../../../../models/zoo/lenet5/lenet5.onnx', import.meta.url);
    const session = await InferenceSession.create(fileURLToPath(model), { intraOpNumThreads: 1 });
    const recognise = async (pixels: Float32Array): Promise<number> => {
      const { probabilities } = await session.run({ image: new Tensor('float32', pixels, [1, 1, 28, 28]) });
      const scores = [...(probabilities!.data as Float32Array)];
      return scores.indexOf(Math.max(...scores));
    };
    const digits = (await loadDigits()).heldBack.filter((_, index) => index % EVERY === 0);
    let [original, photographed] = [0, 0];
    for (const { input, label } of digits) {
      if ((await recognise(input)) === label) original++;
      const { tensor } = await imageTensor(await photograph(input), DIGIT_IMAGE);
      if ((await recognise(float32Values(tensor))) === label) photographed++;
    }
    await session.release();
    assert.ok(
      photographed >= original - digits.length * 0.02,
      `${photographed} of ${digits.length}, originals ${original}`,
    );
  });
});
