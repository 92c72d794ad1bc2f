/** One operator of a bound graph, to run. */
import type { BoundNode, OpRule } from '../ops/rule.ts';
import type { Node } from './graph.ts';

export interface Step {
  readonly node: Node;
  /** Present where the operator declares itself and all its shapes are known; absent: it can only run whole. */
  readonly bound?: {
    readonly facts: BoundNode;
    readonly rule: OpRule;
    /** What `rule.cuttable` says of it. */
    readonly isCuttable: readonly boolean[];
  };
}
