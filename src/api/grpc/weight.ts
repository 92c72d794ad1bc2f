/**
 * Messages are weighed before anything is built from them: a short one can make many objects (an empty tensor, or a 64-bit
 * number in one byte).
 */
import type { DescMessage } from '@bufbuild/protobuf';
import { MeshError } from '../../core/errors.ts';
import { checkWire, WireLimitError, wireMemory } from '../../core/wire.ts';

/** For each byte that was received; small messages may take `FREE_BYTES` in any case. */
const MAX_AMPLIFICATION = 4;
const FREE_BYTES = 1 << 20;
const MAX_DEPTH = 8;

/** @throws MeshError INVALID_INPUT for a message that would take too much. */
export function assertLight(schema: DescMessage, bytes: Uint8Array): void {
  const allowed = FREE_BYTES + MAX_AMPLIFICATION * bytes.byteLength;
  try {
    checkWire(schema, bytes, { budget: allowed, depth: MAX_DEPTH, cost: wireMemory });
  } catch (cause) {
    if (!(cause instanceof WireLimitError)) throw cause;
    throw new MeshError(
      'INVALID_INPUT',
      `a ${schema.name} of ${bytes.byteLength} bytes would take more than ${allowed} in memory: send tensors as raw_input_contents`,
      { cause },
    );
  }
}
