import assert from 'node:assert/strict';
import { drawFidelity } from '../../../bench/fidelity/draw.ts';
import type { FidelityResult } from '../../../bench/fidelity/result.ts';

const size = (peers: number, medianMs: number, simulatedMs: number) => ({
  peers,
  simulatedMs,
  measuredMs: { median: medianMs },
});
const result = {
  setting: { model: 'a<b', cpu: 1 / 16, link: 940 },
  wholeMs: 4_000,
  sizes: [size(1, 4_000, 4_100), size(8, 800, 700), size(24, 500, 400)],
} as unknown as FidelityResult;

describe('bench/fidelity/draw', () => {
  it('draws a point for each size, higher where the mesh is faster, and escapes names', () => {
    const svg = drawFidelity(result);
    const heights = [...svg.matchAll(/<circle [^>]*cy="([\d.]+)"/g)].map(([, cy]) => Number(cy));
    assert.equal(heights.length, 3);
    assert.ok(heights[0]! > heights[1]! && heights[1]! > heights[2]!);
    assert.ok(svg.includes('a&lt;b') && !svg.includes('a<b'));
    assert.ok(!svg.includes('NaN'));
  });
});
