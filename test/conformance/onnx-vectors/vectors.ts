/** The operator vectors that ONNX publishes, as Debian's package `libonnx-testdata` installs them. */
import { fromBinary } from '@bufbuild/protobuf';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TensorProtoSchema } from 'onnx-buf';
import { decodeTensor } from '../../../models/onnx/tensor-proto.ts';
import type { Tensor } from '../../../src/core/tensor/tensor.ts';

export const VECTORS_FOLDER = '/usr/share/libonnx-testdata/data';
export const SUITES = ['node', 'simple', 'pytorch-converted', 'pytorch-operator'] as const;

export interface Vector {
  readonly name: string;
  readonly model: Uint8Array;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export const hasVectors = (): boolean => existsSync(join(VECTORS_FOLDER, 'node'));

export const vectorNames = (suite: string): string[] =>
  readdirSync(join(VECTORS_FOLDER, suite)).filter((name) =>
    existsSync(join(VECTORS_FOLDER, suite, name, 'model.onnx')),
  );

/** Undefined where inputs or outputs are not tensors of numbers. */
export function readVector(suite: string, name: string): Vector | undefined {
  const folder = join(VECTORS_FOLDER, suite, name);
  const inputs = readTensors(join(folder, 'test_data_set_0'), 'input');
  const outputs = readTensors(join(folder, 'test_data_set_0'), 'output');
  if (inputs === undefined || outputs === undefined) return undefined;
  return { name, model: readFileSync(join(folder, 'model.onnx')), inputs, outputs };
}

function readTensors(folder: string, role: string): Tensor[] | undefined {
  const count = readdirSync(folder).filter((file) => file.startsWith(`${role}_`)).length;
  const tensors: Tensor[] = [];
  for (let index = 0; index < count; index++) {
    const tensor = readTensor(join(folder, `${role}_${index}.pb`));
    if (tensor === undefined) return undefined;
    tensors.push(tensor);
  }
  return tensors;
}

/** Sequences and optional values are stored in the same way as tensors, and do not decode as such. */
function readTensor(path: string): Tensor | undefined {
  try {
    const decoded = decodeTensor(fromBinary(TensorProtoSchema, readFileSync(path)), path);
    if (decoded === undefined || !(decoded.content instanceof Uint8Array)) return undefined;
    return { type: decoded.type, shape: decoded.shape, bytes: decoded.content };
  } catch {
    return undefined;
  }
}
