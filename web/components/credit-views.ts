/**
 * Computes each published credit rule's value of each step, for display in a tree. A tree view holds all that the rules
 * need: which steps each completion goes through, rewards and advantages. Of a step's tokens the rules only need to
 * know whether there are any.
 */
import type { NodeValuesView, TreeView } from '../../src/analysis/tree-view.js';
import { nodePush } from '../../src/objective/credit/copies.js';
import { CREDIT_NAMES, CREDIT_RULES } from '../../src/objective/credit/rules.js';
import { ProcessTree } from '../../src/tree/index.js';

/** Rules that have their own button. */
const SHOWN: readonly string[] = ['grpo', 'lambda-grpo', 'lambda-0.5'];

/** @param advantages aᵢ as the group was judged, [k] */
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

/** The view with values of all rules added. */
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
