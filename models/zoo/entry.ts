/** What an import needs of a network that comes with tilemesh. */
import type { Graph } from '../../src/core/graph/graph.ts';
import type { WeightOrigin } from '../manifest.ts';
import type { ModelPackage } from '../package.ts';
import { imagenetImage } from '../tasks/image-spec.ts';
import type { TaskSpec } from '../tasks/task.ts';
import { seededPackage, type Initial } from './seeded.ts';

export interface ZooEntry {
  readonly name: string;
  readonly description: string;
  /** Of the weights, as an SPDX expression. */
  readonly licence: string;
  readonly source: string;
  readonly weights: WeightOrigin;
  /** @throws MeshError NOT_FOUND, as `open`. */
  task(): Promise<TaskSpec>;
  /** Built or read anew by each call. @throws MeshError NOT_FOUND where its files are in a package that is not installed. */
  open(): Promise<ModelPackage>;
}

export interface SeededNetwork {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** Each network and weight has a stream of its own. */
  readonly seed: number;
  readonly initial?: Initial;
  readonly graph: () => Graph;
}

/** A published architecture for weights of the user's; until then generated ones stand in. */
export const seeded = ({ name, title, source, seed, initial, graph }: SeededNetwork, task: TaskSpec): ZooEntry => ({
  name,
  description: `${title}, the architecture with generated weights: answers mean nothing`,
  licence: 'CC0-1.0',
  source,
  weights: 'seeded',
  task: () => Promise.resolve(task),
  open: () => Promise.resolve(seededPackage(graph(), seed, initial)),
});

/** The thousand classes of ImageNet, without names. */
export const imagenetTask = (side: number): TaskSpec => ({
  kind: 'image-classification',
  input: 'image',
  output: 'probabilities',
  image: imagenetImage(side),
  labels: [],
  isSoftmaxed: true,
  topK: 5,
});
