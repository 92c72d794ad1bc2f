/**
 * What a model is, in one small document: its graph and its weights named by content, and how to feed and read it. The
 * model's id is the SHA-256 of the document, so that whoever knows the id can check everything else. Manifests arrive
 * from the network: nothing in one is trusted before it has passed `decodeManifest`.
 */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { MeshError } from '../src/core/errors.ts';
import type { ModelId } from '../src/core/ids.ts';
import { canonicalJson, type Json } from './canonical-json.ts';
import { CHUNK_BYTES, chunkCount } from './chunks.ts';
import { taskSchema, type TaskSpec } from './tasks/task.ts';

export const MANIFEST_SCHEMA = 'tilemesh.model/1';

export const MANIFEST_LIMITS = Object.freeze({
  /** Of the document: 65 bytes per chunk of the largest blob, and room for labels. */
  manifestBytes: 4 * 1_048_576,
  /** Of the graph, which holds no large weights. */
  graphBytes: 64 * 1_048_576,
  /** Of all weights: 32 GiB, more than a heap of boards will hold. */
  blobBytes: 32 * 1_073_741_824,
  descriptionLength: 2_000,
});

/** `trained`: by a script of this repository; `seeded`: pseudo-random, answers mean nothing; `imported`: a user's file. */
export type WeightOrigin = 'trained' | 'seeded' | 'imported';

export interface ModelManifest {
  readonly schema: typeof MANIFEST_SCHEMA;
  /** What people call it; not unique. Letters, digits, `.`, `_` and `-`, 63 at most. */
  readonly name: string;
  readonly description: string;
  /** An SPDX expression, or a sentence; empty when unknown. */
  readonly licence: string;
  /** Where it comes from: a paper, a script, a file. */
  readonly source: string;
  readonly weights: WeightOrigin;
  readonly task: TaskSpec;
  /** The ONNX file with its weights outside. Digests are SHA-256, 64 lower-case hexadecimal digits. */
  readonly graph: { readonly digest: string; readonly byteLength: number };
  readonly blob: {
    readonly byteLength: number;
    readonly chunkBytes: typeof CHUNK_BYTES;
    readonly chunkDigests: readonly string[];
  };
}

const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export const isModelName = (text: string): boolean => MODEL_NAME.test(text);

/** SHA-256 as 64 lower-case hexadecimal digits. */
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const modelIdOf = (manifest: Uint8Array): ModelId => sha256(manifest) as ModelId;

const size = (limit: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(limit));
const line = v.pipe(v.string(), v.maxLength(MANIFEST_LIMITS.descriptionLength));
const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'a digest is 64 lower-case hexadecimal digits'));

const schema: v.GenericSchema<unknown, ModelManifest> = v.object({
  schema: v.literal(MANIFEST_SCHEMA),
  name: v.pipe(v.string(), v.regex(MODEL_NAME, 'a name is up to 63 letters, digits, ".", "_" or "-"')),
  description: line,
  licence: line,
  source: line,
  weights: v.picklist(['trained', 'seeded', 'imported']),
  task: taskSchema,
  graph: v.object({ digest, byteLength: size(MANIFEST_LIMITS.graphBytes) }),
  blob: v.pipe(
    v.object({
      byteLength: size(MANIFEST_LIMITS.blobBytes),
      chunkBytes: v.literal(CHUNK_BYTES),
      chunkDigests: v.array(digest),
    }),
    v.check((blob) => blob.chunkDigests.length === chunkCount(blob.byteLength), 'one digest is needed per chunk'),
  ),
});

/** @throws MeshError INVALID_MODEL naming the first member that is missing, malformed or out of bounds. */
function validated(value: unknown): ModelManifest {
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue) ?? 'document';
  throw new MeshError('INVALID_MODEL', `the model manifest is not usable: ${path}: ${issue.message}`);
}

/** The manifest as the bytes that name it. @throws MeshError INVALID_MODEL when it is not a valid manifest. */
export function encodeManifest(manifest: ModelManifest): Uint8Array {
  const bytes = new TextEncoder().encode(canonicalJson(validated(manifest) as unknown as Json));
  assertSize(bytes);
  return bytes;
}

/**
 * A manifest from bytes of unknown origin. Members this version does not know are ignored, but count for the id.
 * @throws MeshError INVALID_MODEL when it is too large, not canonical JSON, or not a valid manifest.
 */
export function decodeManifest(bytes: Uint8Array): ModelManifest {
  assertSize(bytes);
  return validated(parse(bytes));
}

function parse(bytes: Uint8Array): Json {
  const advice = 'the model manifest is not canonical JSON: import the model again';
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const document = JSON.parse(text) as Json;
    if (canonicalJson(document) === text) return document;
  } catch (cause) {
    throw new MeshError('INVALID_MODEL', advice, { cause });
  }
  throw new MeshError('INVALID_MODEL', advice);
}

function assertSize(bytes: Uint8Array): void {
  if (bytes.byteLength > MANIFEST_LIMITS.manifestBytes) {
    throw new MeshError(
      'INVALID_MODEL',
      `a model manifest has at most ${MANIFEST_LIMITS.manifestBytes} bytes, not ${bytes.byteLength}: shorten its labels`,
    );
  }
}
