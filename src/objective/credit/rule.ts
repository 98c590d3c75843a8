/**
 * A credit rule computes A⁺ and A⁻ of each node of a group's tree from the tree and the rewards. GRPO and λ-GRPO are
 * rules (lambda.ts); a custom rule is a function of the same type. Results of rules are validated here.
 */

import type { ProcessTree } from '../../tree/index.js';
import type { LossCoefficients } from '../coefficients.js';

/** Inputs of a rule besides the tree and the rewards. */
export interface CreditContext {
  /** aᵢ of each completion as configured (`advantage_scale`), [k]. */
  readonly advantages: Float64Array;
  /**
   * wᵢ: the weight of each token of a completion in the mean (`normalisation`), [k]; 0 for a completion that is left
   * out.
   */
  readonly weights: Float64Array;
  /** Where in the run the rule is called, for errors: `problem train-3, step 7`. */
  readonly at?: string;
}

/** Coefficients of every token of each node. */
export interface NodeCredit {
  /** A⁺ ≥ 0, [nodes]. */
  readonly plus: ArrayLike<number>;
  /** A⁻ ≤ 0, [nodes]. */
  readonly minus: ArrayLike<number>;
  /** A⁺ and A⁻ of the first token of each node's step, [nodes]; absent: the same as for its other tokens. */
  readonly first?: { readonly plus: ArrayLike<number>; readonly minus: ArrayLike<number> };
  /** K ≥ 0, the weight of KL term and entropy bonus, [nodes]; absent: the method's. */
  readonly kl?: ArrayLike<number>;
}

/**
 * @param rewards rᵢ, [k]
 * @example
 * // λ-GRPO, by hand
 * const rule: CreditRule = (tree, rewards, { advantages, weights }) => ({
 *   plus: memberSums(tree, (i) => weights[i] * Math.max(advantages[i], 0)).map((sum, node) => sum / tree.size[node]),
 *   minus: memberSums(tree, (i) => weights[i] * Math.min(advantages[i], 0)).map((sum, node) => sum / tree.size[node]),
 * });
 */
export type CreditRule = (
  tree: ProcessTree,
  rewards: Float64Array,
  context: CreditContext,
) => NodeCredit | Promise<NodeCredit>;

/** The result of a rule is not a set of coefficients. */
export class CreditError extends Error {
  override name = 'CreditError';
}

/**
 * Calls a rule, and checks and copies its result at once, because a rule may reuse its arrays.
 * @param kl K if the rule does not return it, [nodes]
 * @throws CreditError as `checkCredit`
 */
export function askRule(
  rule: CreditRule,
  tree: ProcessTree,
  rewards: Float64Array,
  context: CreditContext,
  kl: Float64Array,
): LossCoefficients | Promise<LossCoefficients> {
  const { advantages, weights } = context;
  const copies = { ...context, advantages: advantages.slice(), weights: weights.slice() };
  const credit: unknown = rule(tree, rewards.slice(), copies);
  return isPromise(credit)
    ? credit.then((value) => checkCredit(tree, value, kl))
    : checkCredit(tree, credit, kl);
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/**
 * A checked copy of a rule's result.
 * @param kl K if the rule does not return it, [nodes]
 * @throws CreditError in one line: which node, what is expected and what came
 */
export function checkCredit(tree: ProcessTree, credit: unknown, kl: Float64Array): LossCoefficients {
  if (typeof credit !== 'object' || credit === null) {
    throw new CreditError(`expected { plus, minus } with a number for each node, got ${shown(credit)}`);
  }
  const fields = credit as Partial<Record<keyof NodeCredit, unknown>>;
  const { nodeCount } = tree;
  const { first } = fields;
  if (first !== undefined && (typeof first !== 'object' || first === null)) {
    throw new CreditError(`first: expected { plus, minus } with a number for each node, got ${shown(first)}`);
  }
  const ofFirst = first as Partial<Record<'plus' | 'minus', unknown>> | undefined;
  return {
    plus: nodeNumbers('plus', fields.plus, nodeCount, 1),
    minus: nodeNumbers('minus', fields.minus, nodeCount, -1),
    ...(ofFirst && {
      first: {
        plus: nodeNumbers('first.plus', ofFirst.plus, nodeCount, 1),
        minus: nodeNumbers('first.minus', ofFirst.minus, nodeCount, -1),
      },
    }),
    kl: fields.kl === undefined ? Float64Array.from(kl) : nodeNumbers('kl', fields.kl, nodeCount, 1),
  };
}

/** @param sign allowed sign besides 0 */
function nodeNumbers(name: string, values: unknown, nodes: number, sign: 1 | -1): Float64Array {
  const isList = Array.isArray(values) || (ArrayBuffer.isView(values) && !(values instanceof DataView));
  if (!isList)
    throw new CreditError(`${name}: expected ${nodes} numbers, one for each node, got ${shown(values)}`);
  const list = values as ArrayLike<unknown>;
  if (list.length !== nodes) {
    throw new CreditError(`${name}: expected ${nodes} numbers, one for each node, got ${list.length}`);
  }
  return Float64Array.from({ length: nodes }, (_, node) => {
    const value = list[node];
    // Engines compute in float32.
    if (typeof value === 'number' && Number.isFinite(Math.fround(value)) && value * sign >= 0) return value;
    const bound = sign > 0 ? 'at least' : 'at most';
    throw new CreditError(
      `${name} of node ${node}: expected a finite number of ${bound} 0, got ${shown(value)}`,
    );
  });
}

function shown(value: unknown): string {
  if (value === null || typeof value === 'number' || value === undefined) return String(value);
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  return Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`;
}
