/** The thread in which one parser is fuzzed: where it loops for ever or takes all memory, its starter ends it. */
import { parentPort, workerData } from 'node:worker_threads';
import { Campaign } from './campaign.ts';
import { measureMemory } from './memory.ts';
import type { Parser } from './parser.ts';
import type { Result, Task } from './run.ts';

const { table, name, current, ...options } = workerData as Task;
const { PARSERS } = (await import(table)) as { readonly PARSERS: readonly Parser[] };
const parser = PARSERS.find((candidate) => candidate.name === name)!;
const length = new Int32Array(current, 0, 1);
const count = new Int32Array(current, 4, 1);
const bytes = new Uint8Array(current, 8);

const onInput = (input: Uint8Array): void => {
  const shown = input.subarray(0, bytes.byteLength);
  bytes.set(shown);
  length[0] = shown.byteLength;
  count[0]! += 1;
};
const inputs = Math.ceil(options.inputs * (parser.share ?? 1));
const { violations, ...outcome } = await new Campaign(parser, { ...options, inputs, onInput }).run();
const memory = await measureMemory(parser, outcome.corpus, options.seed, onInput);
parentPort!.postMessage({
  ...outcome,
  ...memory,
  parser: name,
  violations: [...violations, ...memory.violations],
} satisfies Result);
