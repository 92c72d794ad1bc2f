/**
 * Where a tensor lies that is not in the ONNX file itself. The location comes from the file, so it is hostile until
 * checked: only plain relative paths below the model's folder are let through.
 * Source: ONNX, docs/ExternalData.md.
 */
import type { StringStringEntryProto } from 'onnx-buf';
import { invalidModel } from './invalid-model.ts';

export interface ExternalLocation {
  /** Path relative to the model's folder, with `/` between its parts. */
  readonly location: string;
  /** In bytes. */
  readonly offset: number;
  /** In bytes; just what type and shape of the tensor ask for. */
  readonly length: number;
}

/** @throws MeshError INVALID_MODEL when the entries name no file inside the model's folder, or not `length` bytes. */
export function readExternalLocation(
  tensorName: string,
  entries: readonly StringStringEntryProto[],
  length: number,
): ExternalLocation {
  const values = new Map(entries.map((entry) => [entry.key, entry.value]));
  const location = values.get('location') ?? '';
  if (!isInsideFolder(location)) {
    throw invalidModel(
      `the data of tensor "${tensorName}" is said to be in "${location}", which is not a relative path inside the model's folder; save the model again with its external data beside it`,
      { tensor: tensorName },
    );
  }
  const offset = readSize(tensorName, 'offset', values.get('offset') ?? '0');
  const declared = readSize(tensorName, 'length', values.get('length') ?? String(length));
  if (declared !== length) {
    throw invalidModel(
      `tensor "${tensorName}" needs ${length} bytes of external data, but the model names ${declared}; export the model again`,
      { tensor: tensorName },
    );
  }
  return { location, offset, length };
}

/** Whether `location` is a relative path that cannot leave the folder it is resolved in, on any system. */
export function isInsideFolder(location: string): boolean {
  if (location === '' || location.includes('\0') || /^([A-Za-z]:|[/\\])/.test(location)) return false;
  return !location.split(/[/\\]/).includes('..');
}

function readSize(tensorName: string, key: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw invalidModel(
      `tensor "${tensorName}" has external data with ${key} "${text}", which is not a number of bytes; export the model again`,
      { tensor: tensorName },
    );
  }
  return value;
}
