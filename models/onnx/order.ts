/** Names and order of nodes: every value is written once, and before it is read. */
import type { Node } from '../../src/core/graph/graph.ts';
import { invalidModel } from './invalid-model.ts';

/**
 * The nodes in topological order, those that are in order already left as they are.
 * @param known values that exist before any node runs.
 * @throws MeshError INVALID_MODEL for values written twice or never, and for cycles.
 */
export function sortNodes(nodes: readonly Node[], known: ReadonlySet<string>): Node[] {
  const writers = writersOf(nodes, known);
  for (const node of nodes) {
    for (const name of readValues(node)) {
      if (known.has(name) || writers.has(name)) continue;
      throw invalidModel(
        `node "${node.name}" (${node.op}) reads "${name}", which no node, input or initializer provides; export the model again`,
        { node: node.name, value: name },
      );
    }
  }

  const sorted: Node[] = [];
  const states = new Map<Node, 'open' | 'done'>();
  // Depth first with a stack of its own: real networks are deeper than the call stack is safe for.
  for (const root of nodes) {
    const stack = [root];
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      if (states.get(node) === 'done') {
        stack.pop();
        continue;
      }
      states.set(node, 'open');
      const pending = readValues(node)
        .map((name) => writers.get(name))
        .filter((writer) => writer !== undefined)
        .filter((writer) => states.get(writer) !== 'done');
      const open = pending.find((writer) => states.get(writer) === 'open');
      if (open !== undefined) {
        throw invalidModel(`node "${open.name}" (${open.op}) depends on its own output; export the model again`, {
          node: open.name,
        });
      }
      if (pending.length > 0) {
        for (const writer of pending.reverse()) stack.push(writer);
        continue;
      }
      states.set(node, 'done');
      sorted.push(node);
      stack.pop();
    }
  }
  return sorted;
}

const readValues = (node: Node): string[] => [...node.inputs, ...node.captures].filter((name) => name !== '');

function writersOf(nodes: readonly Node[], known: ReadonlySet<string>): Map<string, Node> {
  const writers = new Map<string, Node>();
  for (const node of nodes) {
    for (const output of node.outputs) {
      if (output === '') continue;
      if (known.has(output) || writers.has(output)) {
        throw invalidModel(
          `node "${node.name}" (${node.op}) writes "${output}", which ${writers.get(output)?.name ?? 'an input or initializer'} provides already; export the model again`,
          { node: node.name, value: output },
        );
      }
      writers.set(output, node);
    }
  }
  return writers;
}

/** Names for nodes: the one asked for, or the next free one derived from it. */
export function uniqueNames(): (wanted: string, op: string) => string {
  const taken = new Set<string>();
  const counters = new Map<string, number>();
  return (wanted, op) => {
    const base = wanted === '' ? op : wanted;
    let name = wanted === '' ? `${op}_0` : wanted;
    while (taken.has(name)) {
      const count = (counters.get(base) ?? 0) + 1;
      counters.set(base, count);
      name = `${base}_${count}`;
    }
    taken.add(name);
    return name;
  };
}
