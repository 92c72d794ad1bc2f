import assert from 'node:assert/strict';
import fc from 'fast-check';
import { canonicalJson, type Json } from '../../../models/canonical-json.ts';
import { CHUNK_BYTES, chunkCount, chunkRange, chunksOf } from '../../../models/chunks.ts';
import { decodeManifest, encodeManifest, modelIdOf, sha256, type ModelManifest } from '../../../models/manifest.ts';
import { isModelId } from '../../../src/core/ids.ts';

const example: ModelManifest = {
  schema: 'tilemesh.model/1',
  name: 'small-1.0',
  description: 'An example.',
  licence: 'CC0-1.0',
  source: 'a test',
  weights: 'seeded',
  task: { kind: 'tensors' },
  graph: { digest: 'a'.repeat(64), byteLength: 100 },
  blob: { byteLength: CHUNK_BYTES + 1, chunkBytes: CHUNK_BYTES, chunkDigests: ['b'.repeat(64), 'c'.repeat(64)] },
};

const encoded = (document: unknown): Uint8Array => Buffer.from(canonicalJson(document as Json));
const refused = { name: 'MeshError', code: 'INVALID_MODEL' };

describe('canonical JSON', () => {
  it('does not depend on the order in which members were set', () => {
    assert.equal(canonicalJson({ b: [1, { d: null, c: 'x' }], a: true }), '{"a":true,"b":[1,{"c":"x","d":null}]}');
  });

  it('means the same as the value it writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        assert.deepEqual(JSON.parse(canonicalJson(value as Json)), JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('model manifest', () => {
  it('survives a trip through its bytes, and its id is their SHA-256', () => {
    const bytes = encodeManifest(example);
    assert.deepEqual(decodeManifest(bytes), example);
    assert.equal(modelIdOf(bytes), sha256(bytes));
    assert.ok(isModelId(modelIdOf(bytes)));
  });

  it('ignores members it does not know, though they change the id', () => {
    const bytes = encoded({ ...example, future: 1 });
    assert.deepEqual(decodeManifest(bytes), example);
    assert.notEqual(modelIdOf(bytes), modelIdOf(encodeManifest(example)));
  });

  const malformed: readonly (readonly [string, unknown])[] = [
    ['an unknown schema', { ...example, schema: 'tilemesh.model/2' }],
    ['a name with a path in it', { ...example, name: '../x' }],
    ['a name as long as an id', { ...example, name: 'a'.repeat(64) }],
    ['an endless description', { ...example, description: 'x'.repeat(2_001) }],
    ['an origin nobody knows', { ...example, weights: 'found' }],
    ['no task', { ...example, task: undefined }],
    ['a graph beyond the limit', { ...example, graph: { ...example.graph, byteLength: 2 ** 40 } }],
    ['a fractional size', { ...example, graph: { ...example.graph, byteLength: 1.5 } }],
    ['a blob beyond the limit', { ...example, blob: { ...example.blob, byteLength: 2 ** 50 } }],
    ['another chunk size', { ...example, blob: { ...example.blob, chunkBytes: 1 } }],
    ['a digest too few', { ...example, blob: { ...example.blob, chunkDigests: ['b'.repeat(64)] } }],
    ['an upper-case digest', { ...example, graph: { ...example.graph, digest: 'A'.repeat(64) } }],
    ['a list', [example]],
    ['nothing', null],
  ];
  for (const [what, document] of malformed) {
    it(`refuses ${what}`, () => {
      assert.throws(() => decodeManifest(encoded(document)), refused);
    });
  }

  it('refuses bytes that are not canonical JSON', () => {
    const texts = ['', '{', JSON.stringify(example, null, 1), '['.repeat(100_000) + ']'.repeat(100_000)];
    for (const text of texts) assert.throws(() => decodeManifest(Buffer.from(text)), refused);
    assert.throws(() => decodeManifest(Uint8Array.of(0xff, 0xfe)), refused);
    assert.throws(() => decodeManifest(new Uint8Array(5_000_000)), refused);
  });
});

describe('chunks of a weight blob', () => {
  it('cover it exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 * CHUNK_BYTES }), (bytes) => {
        const ranges = Array.from({ length: chunkCount(bytes) }, (_, index) => chunkRange(bytes, index));
        assert.equal(
          ranges.reduce((end, range) => (assert.equal(range.offset, end), end + range.length), 0),
          bytes,
        );
      }),
    );
  });

  it('are those that touch the ranges asked for', () => {
    const blob = 3 * CHUNK_BYTES + 10;
    const table = [
      { ranges: [], chunks: [] },
      { ranges: [{ offset: 5, length: 0 }], chunks: [] },
      { ranges: [{ offset: CHUNK_BYTES - 1, length: 1 }], chunks: [0] },
      { ranges: [{ offset: CHUNK_BYTES - 1, length: 2 }], chunks: [0, 1] },
      {
        ranges: [
          { offset: 3 * CHUNK_BYTES, length: 10 },
          { offset: 0, length: 1 },
        ],
        chunks: [0, 3],
      },
      { ranges: [{ offset: 0, length: blob }], chunks: [0, 1, 2, 3] },
    ];
    for (const { ranges, chunks } of table) assert.deepEqual(chunksOf(blob, ranges), chunks);
  });

  it('are refused outside the blob', () => {
    for (const range of [
      { offset: 0, length: 11 },
      { offset: -1, length: 1 },
      { offset: 0.5, length: 1 },
    ]) {
      assert.throws(() => chunksOf(10, [range]), { code: 'INVALID_ARGUMENT' });
    }
    assert.throws(() => chunkRange(10, 1), { code: 'INVALID_ARGUMENT' });
  });
});
