/** Our description of the gRPC form against the published one: what that has, ours has with the same numbers and types. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { load, type PackageDefinition } from '@grpc/proto-loader';
import { publishedDescription } from '../../support/published.ts';

const OURS = path.resolve(import.meta.dirname, '../../../protocols/inference/inference.proto');

interface Described {
  readonly name: string;
  readonly field: readonly {
    readonly name: string;
    readonly number: number;
    readonly type: string;
    readonly label: string;
  }[];
  readonly nestedType: readonly Described[];
}

/** `Message.field = number type label`, one line for each field of each message. */
function fieldsOf({ name, field, nestedType }: Described, outer = ''): string[] {
  const full = `${outer}${name}`;
  const own = field.map((one) => `${full}.${one.name} = ${one.number} ${one.type} ${one.label}`);
  return [...own, ...nestedType.flatMap((nested) => fieldsOf(nested, `${full}.`))];
}

const linesOf = (definition: PackageDefinition): Set<string> =>
  new Set(
    Object.entries(definition).flatMap(([name, value]) => {
      if ('type' in value) return fieldsOf(value.type as Described);
      return Object.values(value)
        .filter((method) => typeof method === 'object' && 'path' in method)
        .map((method) => `${name} ${method.path} ${method.requestStream} ${method.responseStream}`);
    }),
  );

describe('protocols/inference/inference.proto', () => {
  it('has all that the published description has, by the same names, numbers and types', async function () {
    const published = await publishedDescription('open_inference_grpc.proto');
    if ('missing' in published) {
      console.log(`gRPC description: ${published.missing}`);
      this.skip();
    }
    const ours = linesOf(await load(OURS, { keepCase: true }));
    const theirs = linesOf(await load(published.file, { keepCase: true }));
    assert.ok(theirs.size > 30);
    assert.deepEqual([...theirs].filter((line) => !ours.has(line)), []); // prettier-ignore
  });
});
