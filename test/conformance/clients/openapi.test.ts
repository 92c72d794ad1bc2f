/** A client generated from the protocol's published OpenAPI description; what it is answered is checked against that. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { OpenAPIClientAxios, type AxiosResponse } from 'openapi-client-axios';
import { fakePeer, MODEL_ID, startFakeApi } from '../../support/fake-peer.ts';
import { publishedDescription } from '../../support/published.ts';

const X = { name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] };
const MODEL = { MODEL_NAME: 'double' };
const VERSION = { ...MODEL, MODEL_VERSION: MODEL_ID };
const NONE = { MODEL_NAME: 'none', MODEL_VERSION: '1' };

type Operations = Readonly<Record<string, (path?: object | null, body?: unknown) => Promise<AxiosResponse<unknown>>>>;

/** Operation, its path parameters, its body, the status, and the schema of the answer, where the description has one. */
const ASKED: readonly (readonly [string, object | null, object | null, number, string?])[] = [
  ['check-server-liveness', null, null, 200],
  ['check-server-readiness', null, null, 200],
  ['read-server-metadata', null, null, 200, 'metadata_server_response'],
  ['check-model-readiness', MODEL, null, 200],
  ['check-model-version-readiness', VERSION, null, 200],
  ['check-model-version-readiness', NONE, null, 404],
  ['read-model-metadata', MODEL, null, 200, 'metadata_model_response'],
  ['read-model-version-metadata', VERSION, null, 200, 'metadata_model_response'],
  ['read-model-metadata', NONE, null, 404, 'metadata_model_error_response'],
  ['model-infer', MODEL, { inputs: [X] }, 200, 'inference_response'],
  ['model-version-infer', VERSION, { id: '42', inputs: [X], outputs: [{ name: 'y' }] }, 200, 'inference_response'],
  ['model-infer', MODEL, { inputs: [] }, 400, 'inference_error_response'],
];

describe('A client generated from the published OpenAPI description', () => {
  let file: string;
  before(async function () {
    const published = await publishedDescription('open_inference_rest.yaml');
    if ('missing' in published) {
      console.log(`OpenAPI: ${published.missing}`);
      this.skip();
    }
    file = published.file;
  });

  it('is answered as the description says, in every operation', async () => {
    const description = await readFile(file);
    const library = createServer((_request, response) => {
      response.setHeader('content-type', 'application/yaml');
      response.end(description);
    });
    await new Promise<void>((resolve) => library.listen(0, '127.0.0.1', resolve));
    const api = await startFakeApi(fakePeer());
    try {
      const { port } = library.address() as AddressInfo;
      const client = new OpenAPIClientAxios({
        definition: `http://127.0.0.1:${port}/open_inference_rest.yaml`,
        axiosConfigDefaults: { baseURL: api.url, validateStatus: () => true },
      });
      const operations = (await client.init()) as unknown as Operations;
      const schemas = new Ajv2020({ strict: false }).addSchema(client.document, 'protocol');
      assert.deepEqual(
        new Set(client.getOperations().map(({ operationId }) => operationId)),
        new Set(ASKED.map(([operation]) => operation)),
      );
      for (const [operation, path, body, status, schema] of ASKED) {
        const answer = await operations[operation]!(path, body);
        assert.equal(answer.status, status, `${operation}: ${JSON.stringify(answer.data)}`);
        if (schema === undefined) continue;
        const isValid = schemas.validate({ $ref: `protocol#/components/schemas/${schema}` }, answer.data);
        assert.ok(isValid, `${operation}: ${schemas.errorsText()}`);
      }
    } finally {
      await api.close();
      library.close();
    }
  });
});
