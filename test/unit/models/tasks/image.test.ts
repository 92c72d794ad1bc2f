import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { imageTensor } from '../../../../models/tasks/image.ts';
import { DIGIT_IMAGE, type ImageSpec } from '../../../../models/tasks/image-spec.ts';
import { MeshError } from '../../../../src/core/errors.ts';
import { float32Values } from '../../../../src/core/tensor/tensor.ts';

const RAW: ImageSpec = {
  size: { kind: 'fixed', height: 4, width: 4 },
  channels: 3,
  order: 'rgb',
  layout: 'chw',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  fit: 'stretch',
  background: 255,
  invert: 'never',
};
const plain = (width: number, height: number, background: string): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();

/** Left half one colour, right half another. */
async function halves(width: number, height: number, left: string, right: string): Promise<Sharp> {
  const input = await plain(width / 2, height, right);
  return sharp({ create: { width, height, channels: 3, background: left } }).composite([
    { input, left: width / 2, top: 0 },
  ]);
}

/** A dark or light stroke drawn by hand, off the middle. */
const sign = (width: number, height: number, ink: string, ground: string): Promise<Buffer> =>
  sharp(
    Buffer.from(
      `<svg width="${width}" height="${height}"><rect width="100%" height="100%" fill="${ground}"/>
       <g transform="scale(${width / 100})"><path d="M20 15 H50 L30 60" stroke="${ink}" stroke-width="8" fill="none"/></g></svg>`,
    ),
  )
    .png()
    .toBuffer();

describe('imageTensor', () => {
  it('puts channels in the order asked for', async () => {
    const picture = await plain(4, 4, '#0a141e');
    const rgb = float32Values((await imageTensor(picture, RAW)).tensor);
    const bgr = float32Values((await imageTensor(picture, { ...RAW, order: 'bgr' })).tensor);
    const hwc = await imageTensor(picture, { ...RAW, layout: 'hwc' });
    assert.deepEqual([rgb[0], rgb[16], rgb[32]], [10, 20, 30]);
    assert.deepEqual([bgr[0], bgr[16], bgr[32]], [30, 20, 10]);
    assert.deepEqual([...float32Values(hwc.tensor).subarray(0, 3)], [10, 20, 30]);
    assert.deepEqual(hwc.tensor.shape, [1, 4, 4, 3]);
  });

  it('normalises with scale, mean and deviation', async () => {
    const spec = { ...RAW, scale: 0.5, mean: [1, 2, 3], std: [2, 4, 1] };
    const values = float32Values((await imageTensor(await plain(4, 4, '#0a141e'), spec)).tensor);
    assert.deepEqual([values[0], values[16], values[32]], [2, 2, 12]);
  });

  it('turns pictures upright before anything else', async () => {
    const wide = await halves(40, 20, '#0000ff', '#ff0000');
    const turned = await wide
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const spec: ImageSpec = { ...RAW, size: { kind: 'fixed', height: 20, width: 20 }, fit: 'cover' };
    const { tensor, placement } = await imageTensor(turned, spec);
    const red = float32Values(tensor);
    assert.equal(placement.pictureHeight, 40);
    assert.ok(red[10]! < 20 && red[19 * 20 + 10]! > 235, `top ${red[10]!}, bottom ${red[390]!}`);
  });

  it('covers by cutting off and contains by filling up', async () => {
    const picture = await (await halves(8, 4, '#000000', '#646464')).png().toBuffer();
    const cover = float32Values((await imageTensor(picture, { ...RAW, fit: 'cover' })).tensor);
    assert.deepEqual([...cover.subarray(0, 4)], [0, 0, 100, 100]);
    const { tensor, placement } = await imageTensor(picture, { ...RAW, fit: 'contain' });
    const contain = float32Values(tensor);
    assert.deepEqual([placement.scaleX, placement.offsetY], [0.5, 1]);
    assert.deepEqual([contain[0], contain[15]], [255, 255]);
    assert.equal(contain[4], 0);
  });

  it('rounds to multiples within limits, and never enlarges', async () => {
    const spec: ImageSpec = { ...RAW, size: { kind: 'limits', multipleOf: 32, maxSide: 128 } };
    const shape = async (width: number, height: number): Promise<readonly number[]> =>
      (await imageTensor(await plain(width, height, 'white'), spec)).tensor.shape.slice(2);
    assert.deepEqual(await shape(640, 320), [64, 128]);
    assert.deepEqual(await shape(100, 40), [32, 96]);
    assert.deepEqual(await shape(2000, 3), [32, 128]);
  });

  it('keeps the memory of extreme strips small', async () => {
    const strip = await plain(16_000, 1, 'white');
    const { tensor } = await imageTensor(strip, {
      ...RAW,
      size: { kind: 'fixed', height: 224, width: 224 },
      fit: 'cover',
    });
    assert.deepEqual(tensor.shape, [1, 3, 224, 224]);
  });

  it('shows what is transparent on the background', async () => {
    const clear = await sharp({ create: { width: 4, height: 4, channels: 4, background: '#00000000' } })
      .png()
      .toBuffer();
    assert.equal(float32Values((await imageTensor(clear, RAW)).tensor)[0], 255);
  });

  it('reads grey and 16-bit pictures as colour', async () => {
    const grey = await sharp(await plain(4, 4, '#808080'))
      .greyscale()
      .toColourspace('grey16')
      .png()
      .toBuffer();
    const values = float32Values((await imageTensor(grey, RAW)).tensor);
    assert.ok(Math.abs(values[0]! - 128) <= 1 && values[0] === values[32], `${values[0]!} ${values[32]!}`);
  });

  it('refuses a picture that says it has more pixels than are taken, by its head alone', async () => {
    const bytes = Buffer.from(await plain(8, 8, 'red'));
    // Width and height stand at the beginning of the first chunk, behind 8 bytes of signature, its length and its type.
    bytes.writeUInt32BE(50_000, 16);
    bytes.writeUInt32BE(50_000, 20);
    bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
    const before = process.memoryUsage.rss();
    await assert.rejects(imageTensor(bytes, RAW), { code: 'INVALID_INPUT' });
    assert.ok(process.memoryUsage.rss() - before < 256 * 2 ** 20);
  });

  it('refuses what is no picture with INVALID_INPUT', async () => {
    const broken = (await plain(64, 64, 'red')).subarray(0, 60);
    for (const bytes of [new TextEncoder().encode('hello'), broken, new Uint8Array()]) {
      await assert.rejects(
        imageTensor(bytes, RAW),
        (error) =>
          error instanceof MeshError && error.code === 'INVALID_INPUT' && error.message.includes('cannot be read'),
      );
    }
  });
});

describe('digits', () => {
  const digit = async (bytes: Uint8Array): Promise<Float32Array> =>
    float32Values((await imageTensor(bytes, DIGIT_IMAGE)).tensor);

  it('come out the same in dark on light and in light on dark, at any size', async () => {
    const signs = await Promise.all([
      sign(100, 100, 'black', 'white'),
      sign(100, 100, 'white', 'black'),
      sign(600, 400, '#303030', '#d8d8d0'),
    ]);
    const [reference, ...others] = await Promise.all(signs.map(digit));
    for (const other of others) {
      const difference = other.reduce((sum, value, index) => sum + Math.abs(value - reference![index]!), 0) / 784;
      assert.ok(difference < 0.04, `mean difference ${difference}`);
    }
  });

  it('are light on black, within 20 pixels, with the centre of mass in the middle', async () => {
    const values = await digit(await sign(600, 400, 'black', 'white'));
    let [mass, x, y] = [0, 0, 0];
    const rows = new Set<number>();
    values.forEach((value, index) => {
      if (value > 0.2) rows.add(Math.floor(index / 28));
      [mass, x, y] = [mass + value, x + value * (index % 28), y + value * Math.floor(index / 28)];
    });
    assert.equal(values[0], 0);
    assert.ok(rows.size >= 18 && rows.size <= 20, `${rows.size} rows`);
    assert.ok(Math.abs(x / mass - 13.5) <= 0.6 && Math.abs(y / mass - 13.5) <= 0.6, `${x / mass}, ${y / mass}`);
  });

  it('of the size of the input are taken pixel by pixel', async () => {
    const pixels = Uint8Array.from({ length: 784 }, (_, index) => (index % 28 === 0 || index < 28 ? 0 : index % 251));
    const png = await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
      .png()
      .toBuffer();
    const values = await digit(png);
    assert.ok(values.every((value, index) => Math.abs(value * 255 - pixels[index]!) < 1e-3));
  });

  it('of a blank sheet are empty', async () => {
    assert.ok((await digit(await plain(200, 100, '#f0f0f0'))).every((value) => value === 0));
  });
});
