/**
 * The credit rules by name, for `objective.credit`, `compare --credit` and `analyze --credit`. docs/credit.md has
 * their formulas and says which of them equal GRPO or λ-GRPO.
 */

import type { ProcessTree } from '../../tree/index.js';
import type { LossCoefficients } from '../coefficients.js';
import { type CopyRule, ruleOf } from './copies.js';
import { gtpo } from './gtpo.js';
import { lambdaCopies, lambdaCredit } from './lambda.js';
import type { CreditContext } from './rule.js';
import { spoTree } from './spo-tree.js';
import { tempo } from './tempo.js';
import { treeGrpo } from './tree-grpo.js';
import { treePo } from './treepo.js';
import { treeRl } from './treerl.js';
import { treeRpo } from './treerpo.js';

export interface NamedRule {
  /** The name as in the paper. */
  readonly title: string;
  /** The advantage of each copy of a token, and its factor. */
  readonly copies: CopyRule;
  /** The same as coefficients of nodes: a synchronous `CreditRule`. */
  readonly rule: (tree: ProcessTree, rewards: Float64Array, context: CreditContext) => LossCoefficients;
}

const named = (title: string, copies: CopyRule): NamedRule => ({ title, copies, rule: ruleOf(copies) });
/** GRPO and λ-GRPO use the trainer's own sums and are equal to the bit. */
const powered = (title: string, exponent: number): NamedRule => ({
  title,
  copies: lambdaCopies(exponent),
  rule: lambdaCredit(exponent),
});

export const CREDIT_RULES = {
  grpo: powered('GRPO', 0),
  'lambda-grpo': powered('λ-GRPO', 1),
  'lambda-0.5': powered('|λ|^−½', 0.5),
  treerl: named('TreeRL', treeRl({ divisor: 'sqrt', difference: 'both' })),
  'treerl-n': named('TreeRL ÷ n', treeRl({ divisor: 'n', difference: 'both' })),
  'treerl-1': named('TreeRL ÷ 1', treeRl({ divisor: '1', difference: 'both' })),
  'treerl-root': named('TreeRL, root’s difference', treeRl({ divisor: 'sqrt', difference: 'root' })),
  'treerl-root-n': named('TreeRL, root’s difference ÷ n', treeRl({ divisor: 'n', difference: 'root' })),
  'treerl-root-1': named('TreeRL, root’s difference ÷ 1', treeRl({ divisor: '1', difference: 'root' })),
  'tree-grpo': named('Tree-GRPO', treeGrpo),
  treepo: named('TreePO', treePo),
  'spo-tree': named('SPO-tree', spoTree(false)),
  'spo-tree-std': named('SPO-tree ÷ std', spoTree(true)),
  treerpo: named('TreeRPO', treeRpo),
  gtpo: named('GTPO (2508.03772)', gtpo),
  tempo: named('TEMPO', tempo),
} as const satisfies Readonly<Record<string, NamedRule>>;

export type CreditName = keyof typeof CREDIT_RULES;

export const CREDIT_NAMES = Object.keys(CREDIT_RULES) as CreditName[];

export function isCreditName(name: string): name is CreditName {
  return Object.hasOwn(CREDIT_RULES, name);
}
