import assert from 'node:assert/strict';
import { axesOf, axisName, madeBy, overlapsIn, place, readBy } from '../../../web/maps.js';
import { sampleTrace } from '../../support/sample-trace.ts';

const plan = sampleTrace().attempts.at(-1)!.plan!;

describe('web/maps', () => {
  it('show an input as its readers take it, and as halo what several read', () => {
    const { isInput, tensor, tiles, halos } = readBy(plan, 0);
    assert.deepEqual([isInput, tensor], [true, 'x']);
    assert.deepEqual(
      tiles.map(({ participant }) => participant),
      [0, 1],
    );
    const both = [[0, 1], [0, 3], [3, 5], [0, 8]]; // prettier-ignore
    assert.deepEqual(halos, [
      { to: 0, box: both },
      { to: 1, box: both },
    ]);
  });

  it('show what a block reads in the tiles of those that made it, and as halo the pieces that others send', () => {
    const made = plan.blocks[0]!;
    const whole = [[0, 1], [0, 4], [0, 8], [0, 8]] as const; // prettier-ignore
    const region = [[0, 1], [0, 4], [4, 8], [0, 8]] as const; // prettier-ignore
    const tail = {
      ...made,
      tiles: [{ participant: 0, outputs: { z: whole }, inputs: { y: whole }, predictedMs: 1 }],
    };
    const piece = { id: 9, tensor: 'y', region, from: 1, to: 0, reader: [1, 0] as const, bytes: 512 };
    const { isInput, tiles, halos } = readBy({ ...plan, blocks: [made, tail], pieces: [...plan.pieces, piece] }, 1);
    assert.equal(isInput, false);
    assert.deepEqual(
      tiles.map(({ participant }) => participant),
      [0, 1],
    );
    assert.deepEqual(halos, [{ part: 0, from: 1, to: 0, bytes: 512, box: region }]);
  });

  it('cover their frame with the tiles that were made, without gap or overlap', () => {
    const map = madeBy(plan, 0);
    const { frame, box } = place(map, 300);
    const rects = map.tiles.map((tile) => box(tile.box));
    const area = rects.reduce((sum, { width, height }) => sum + width * height, 0);
    assert.ok(Math.abs(area - frame.width * frame.height) < 1e-6);
    assert.ok(Math.abs(rects[0]!.y + rects[0]!.height - rects[1]!.y) < 1e-9);
  });

  it('have no halo between tiles that only touch, nor of a peer with itself', () => {
    const tile = (part: number, participant: number, start: number, end: number) => {
      return { part, participant, box: [[start, end]] as const };
    };
    assert.deepEqual(overlapsIn([tile(0, 0, 0, 4), tile(1, 1, 4, 8)]), []);
    assert.deepEqual(overlapsIn([tile(0, 0, 0, 5), tile(1, 0, 4, 8)]), []);
  });

  it('draw channels across where those are cut, and features as a bar', () => {
    assert.deepEqual(axesOf([1, 64, 14, 14], [2, 3]), [3, 2]);
    assert.deepEqual(axesOf([1, 64, 14, 14], [1]), [1, 2]);
    assert.deepEqual(axesOf([1, 4096], [1]), [1, -1]);
    assert.equal(axisName([1, 64, 14, 14], [1]), 'channels');
    assert.equal(axisName([1, 4096], [1]), 'features');
    assert.equal(axisName([1, 64, 14, 14], [2]), 'columns');
  });

  it('take a box of unknown size for the whole', () => {
    const { frame, box } = place({ tensor: 'y', shape: [1, 4, 8, 8], axes: [2], tiles: [] }, 100);
    assert.deepEqual(box(null), frame);
  });
});
