/**
 * A group under a credit rule: how strongly each step is pushed, which completions are pushed against their advantage,
 * and the value of each token for a trainer that multiplies per-token advantages. Rules are published or custom.
 */
import {
  askRule,
  type CopyCredit,
  CREDIT_RULES,
  type CreditName,
  type CreditRule,
  lambdaWeights,
  memberSums,
  type NodePush,
  nodePush,
} from '../objective/index.js';
import type { ProcessTree } from '../tree/index.js';
import type { GroupAnalysis } from './analyze-group.js';

export interface GroupCredit extends NodePush {
  /** Name of the rule. */
  readonly rule: string;
  /** Advantage and factor of each completion's copy of a token. */
  readonly copies: CopyCredit;
  /** Share of each completion's tokens that are pushed against its own advantage, [k], in [0, 1]; 0 for an empty completion. */
  readonly against: Float64Array;
}

/** A group under a published rule, with equal weights of the completions and the advantages of the analysis. */
export function publishedCredit(name: CreditName, analysis: GroupAnalysis): GroupCredit {
  const { tree, rewards, advantages } = analysis;
  return credited(name, CREDIT_RULES[name].copies(tree, rewards, advantages), analysis);
}

/**
 * A group under a custom rule. The rule gives the sum over a token's copies; each copy gets an equal part.
 * @throws CreditError for results that are not coefficients, and what the rule throws
 */
export async function ownCredit(
  name: string,
  rule: CreditRule,
  analysis: GroupAnalysis,
): Promise<GroupCredit> {
  const { tree, rewards, advantages } = analysis;
  const weights = new Float64Array(tree.groupSize).fill(1);
  const context = { advantages, weights };
  const kl = memberSums(tree, () => 1);
  const { plus, minus, first } = await askRule(rule, tree, rewards, context, kl);
  const share = (up: Float64Array, down: Float64Array) => (_: number, node: number) =>
    (up[node] + down[node]) / tree.size[node];
  const copies: CopyCredit = {
    advantage: share(plus, minus),
    ...(first && { first: share(first.plus, first.minus) }),
    factor: lambdaWeights(tree, 0),
  };
  return credited(name, copies, analysis);
}

function credited(rule: string, copies: CopyCredit, { tree, advantages }: GroupAnalysis): GroupCredit {
  const { push, first } = nodePush(tree, copies);
  const against = Float64Array.from(tree.lengths, (length, i) => {
    let tokens = 0;
    for (let node = tree.leaf[i]; node >= 0; node = tree.parent[node]) {
      const inStep = tree.end[node] - tree.start[node];
      if (inStep === 0) continue;
      if (first[node] * advantages[i] < 0) tokens++;
      if (push[node] * advantages[i] < 0) tokens += inStep - 1;
    }
    return length > 0 ? tokens / length : 0;
  });
  return { rule, copies, push, first, against };
}

/** Values of a completion's tokens from the values of its nodes, [|g|]. */
function perToken(
  tree: ProcessTree,
  completion: number,
  value: (node: number, isFirst: boolean) => number,
): Float64Array {
  const out = new Float64Array(tree.lengths[completion]);
  for (let node = tree.leaf[completion]; node >= 0; node = tree.parent[node]) {
    const { start, end } = tree;
    if (end[node] === start[node]) continue;
    out.fill(value(node, false), start[node], end[node]);
    out[start[node]] = value(node, true);
  }
  return out;
}

/** What the rule gives each token of a completion: the advantage bᵢ, and the factor s of its whole term, [|g|] each. */
export function tokenCredit(
  tree: ProcessTree,
  completion: number,
  { copies: { advantage, first = advantage, factor } }: Pick<GroupCredit, 'copies'>,
): { readonly advantages: Float64Array; readonly scale: Float64Array } {
  return {
    advantages: perToken(tree, completion, (node, isFirst) =>
      (isFirst ? first : advantage)(completion, node),
    ),
    scale: perToken(tree, completion, (node) => factor[node]),
  };
}
