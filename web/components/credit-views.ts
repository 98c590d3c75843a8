/**
 * What the published credit rules make of each step, as values that a tree's picture can show. A view says enough for all of them:
 * which steps the completions go through, rewards and advantages. Rules ask for nothing of a step's tokens but whether it has any.
 */
import type { NodeValuesView, TreeView } from '../../src/analysis/tree-view.js';
import { nodePush } from '../../src/objective/credit/copies.js';
import { CREDIT_NAMES, CREDIT_RULES } from '../../src/objective/credit/rules.js';
import { ProcessTree } from '../../src/tree/index.js';

/** Rules that have a button of their own. */
const SHOWN: readonly string[] = ['grpo', 'lambda-grpo', 'lambda-0.5'];

/** @param advantages aᵢ, as the group is judged, [k] */
export function creditViews(
  tree: ProcessTree,
  rewards: ArrayLike<number>,
  advantages: ArrayLike<number>,
): NodeValuesView[] {
  return CREDIT_NAMES.filter((name) => !SHOWN.includes(name)).map((name) => ({
    name,
    meaning: `${CREDIT_RULES[name].title}: how hard the step’s tokens are pushed`,
    nodes: Array.from(nodePush(tree, CREDIT_RULES[name].copies(tree, rewards, advantages)).push),
  }));
}

/** The view with a choice of rules. */
export function withCreditViews(view: TreeView): TreeView {
  const { steps, completions } = view;
  const order = [...completions].sort((a, b) => a.index - b.index);
  const tree = ProcessTree.build(
    order.map(({ leaf }) => {
      const path: number[] = [];
      for (let step = leaf; step >= 0; step = steps[step].parent) if (steps[step].tokens > 0) path.push(step);
      return path.reverse();
    }),
  );
  const values = creditViews(
    tree,
    order.map(({ reward }) => reward),
    order.map(({ advantage }) => advantage),
  );
  return { ...view, values: [...(view.values ?? []), ...values] };
}
