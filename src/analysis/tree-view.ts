/**
 * A group's process tree as plain data for a page: the text of each step and its values. Pages only draw it; all
 * numbers are those of `analyzeGroup`.
 */
import type { GroupAnalysis } from './analyze-group.js';
import { stepTexts, type TokenTextOptions } from './step-texts.js';

/** One process step λ. */
export interface StepView {
  /** Index of the parent; −1 for the root. */
  readonly parent: number;
  /** Number of nodes above it. */
  readonly depth: number;
  /** First of its rows (completions in the order of the leaves), and the number of rows: |λ|. */
  readonly row: number;
  readonly size: number;
  /** Number of tokens in the step, and their text, shortened if `textCut`. */
  readonly tokens: number;
  readonly text: string;
  readonly textCut?: true;
  /** R̂(λ) and Â(λ). */
  readonly reward: number;
  readonly advantage: number;
}

/** One completion with its row. */
export interface CompletionView {
  /** Index in the group, from 0. */
  readonly index: number;
  /** Index of its leaf among the steps. */
  readonly leaf: number;
  readonly tokens: number;
  readonly reward: number;
  readonly advantage: number;
  /** Share of its tokens in steps whose advantage has the opposite sign of its own. */
  readonly against: number;
}

/** Another value for each step besides Â, such as that of a credit rule. */
export interface NodeValuesView {
  readonly name: string;
  /** One sentence. */
  readonly meaning: string;
  /** [steps] */
  readonly nodes: readonly number[];
}

export interface TreeView {
  /** In depth-first preorder, the root first. */
  readonly steps: readonly StepView[];
  /** In the order of the rows. */
  readonly completions: readonly CompletionView[];
  /** Values that a reader may choose instead of Â. */
  readonly values?: readonly NodeValuesView[];
}

export interface TreeViewOptions extends TokenTextOptions {
  /** Maximum length of a step's text, in characters. */
  readonly longest?: number;
}

/** The view of an analysed group. */
export function treeView(analysis: GroupAnalysis, options: TreeViewOptions): TreeView {
  const { tree, rewards, advantages, oppositeShare } = analysis;
  const { longest = 2000 } = options;
  const texts = stepTexts(tree, options);
  const steps = Array.from({ length: tree.nodeCount }, (_, node): StepView => {
    const { text, cut } = shortened(texts[node], longest);
    return {
      parent: tree.parent[node],
      depth: tree.depth[node],
      row: tree.memberStart[node],
      size: tree.size[node],
      tokens: tree.end[node] - tree.start[node],
      text,
      ...(cut ? { textCut: true } : {}),
      reward: analysis.stepRewards[node],
      advantage: analysis.stepAdvantages[node],
    };
  });
  const completions = Array.from(
    tree.members,
    (index): CompletionView => ({
      index,
      leaf: tree.leaf[index],
      tokens: tree.lengths[index],
      reward: rewards[index],
      advantage: advantages[index],
      against: oppositeShare[index],
    }),
  );
  return { steps, completions };
}

function shortened(text: string, longest: number): { text: string; cut: boolean } {
  if (text.length <= longest) return { text, cut: false };
  // Cutting a surrogate pair in two would leave half a character.
  return { text: text.slice(0, longest).replace(/[\uD800-\uDBFF]$/, ''), cut: true };
}
