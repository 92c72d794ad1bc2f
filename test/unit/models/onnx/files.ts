/** ONNX files as other tools write them, put together field by field. */
import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  TensorProto_DataType as Type,
  type AttributeProtoSchema,
  type GraphProtoSchema,
  type NodeProtoSchema,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from 'onnx-buf';
import { MeshError } from '../../../../src/core/errors.ts';

/** The fields of a message, rather than the message itself. */
type Init<Schema extends DescMessage> = Exclude<MessageInitShape<Schema>, { readonly $typeName: string }>;

export type TensorInit = Init<typeof TensorProtoSchema>;
export type NodeInit = Init<typeof NodeProtoSchema>;
export type GraphInit = Init<typeof GraphProtoSchema>;
export type AttributeInit = Init<typeof AttributeProtoSchema>;
type ValueInit = Init<typeof ValueInfoProtoSchema>;

export const valueInit = (
  name: string,
  dims?: readonly (number | string | undefined)[],
  elemType = Type.FLOAT,
): ValueInit => ({
  name,
  type: {
    value: {
      case: 'tensorType',
      value: {
        elemType,
        ...(dims === undefined
          ? {}
          : {
              shape: {
                dim: dims.map((dim) => {
                  if (dim === undefined) return {};
                  return typeof dim === 'string'
                    ? { value: { case: 'dimParam' as const, value: dim } }
                    : { value: { case: 'dimValue' as const, value: BigInt(dim) } };
                }),
              },
            }),
      },
    },
  },
});

export const floats = (name: string, dims: readonly number[], values: ArrayLike<number>): TensorInit => ({
  name,
  dataType: Type.FLOAT,
  dims: dims.map(BigInt),
  rawData: new Uint8Array(Float32Array.from(values).buffer),
});

export const constantNode = (output: string, attribute: AttributeInit): NodeInit => ({
  opType: 'Constant',
  output: [output],
  attribute: [attribute],
});

export const graphAttribute = (name: string, graph: GraphInit): AttributeInit => ({ name, type: Kind.GRAPH, g: graph });

/** x -> Relu -> y, with whatever the test changes about it. */
export const modelBytes = (
  graph: GraphInit = {},
  rest: Omit<Init<typeof ModelProtoSchema>, 'graph'> = {},
): Uint8Array<ArrayBuffer> =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ domain: '', version: 13n }],
      graph: {
        name: 'g',
        input: [valueInit('x', [1, 4])],
        output: [valueInit('y', [1, 4])],
        node: [{ name: 'relu', opType: 'Relu', input: ['x'], output: ['y'] }],
        ...graph,
      },
      ...rest,
    }),
  );

/** For `assert.throws`: an invalid model, and the message names what is at fault. */
export const invalid =
  (mention = /./) =>
  (error: unknown): boolean =>
    error instanceof MeshError && error.code === 'INVALID_MODEL' && mention.test(error.message);
