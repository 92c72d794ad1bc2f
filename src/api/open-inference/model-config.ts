/** The model configuration extension: what the metadata say of a model, in the words of Triton's `ModelConfig`. */
import type { ModelMetadata, TensorMetadata } from './service.ts';

export interface TensorConfig {
  readonly name: string;
  /** `TYPE_FP32` and so on, by the name that the published enumeration has. */
  readonly data_type: string;
  /** -1 for extents that each request chooses. */
  readonly dims: readonly number[];
}

export interface ModelConfig {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  /** 0: the axis of samples, where there is one, is among the dims. */
  readonly max_batch_size: number;
  readonly input: readonly TensorConfig[];
  readonly output: readonly TensorConfig[];
}

export const modelConfig = ({ name, platform, inputs, outputs }: ModelMetadata): ModelConfig => ({
  name,
  platform,
  backend: 'tilemesh',
  max_batch_size: 0,
  input: inputs.map(tensorConfig),
  output: outputs.map(tensorConfig),
});

const tensorConfig = ({ name, datatype, shape }: TensorMetadata): TensorConfig => ({
  name,
  data_type: `TYPE_${datatype === 'BYTES' ? 'STRING' : datatype}`,
  dims: shape,
});
