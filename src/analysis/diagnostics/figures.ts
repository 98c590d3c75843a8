/**
 * Figures that only the trees of groups can show about a run, without a model or a trainer; docs/analyze.md has the
 * formulas.
 */

/**
 * Numerical noise of the sampler. The k members of a step have k log-probabilities of the same token in the same
 * context. They differ through batching, kernels and precision. A sampler that computes a shared prefix once shows no
 * difference.
 */
export interface NoiseFigures {
  /** Tokens of the tree with at least two values, and the number of values. */
  readonly tokens: number;
  readonly values: number;
  /** Standard deviation of ln π within a token, over all of them. */
  readonly deviation: number;
  /** Largest difference between two values of a token. */
  readonly largest: number;
  /**
   * Pairs of neighbouring members; of these, pairs with equal values, and pairs whose ratio lies outside [0.9, 1.1].
   */
  readonly pairs: number;
  readonly equalPairs: number;
  readonly outside: number;
}

/**
 * Same text, different tokens: turns that were tokenised again break shared prefixes, so the tree is flatter than the
 * text.
 */
export interface RetokenisedFigures {
  /**
   * Branches whose text could be compared; of these, branches whose text equals that of a sibling beyond both first
   * tokens.
   */
  readonly branches: number;
  readonly retokenised: number;
  /** Tokens (counting each copy) whose text is shared with a sibling although the tree does not share them. */
  readonly tokens: number;
  /** Completions whose text equals that of another completion with different tokens. */
  readonly equalTexts: number;
}

/** Group ids with several prompts, split by prompt (`splitMerged`). */
export interface MergedFigures {
  /** Ids with several prompts, their prompts and completions. */
  readonly ids: number;
  readonly prompts: number;
  readonly completions: number;
  /**
   * Mean |difference| between advantages over the id and over the prompt, and completions whose advantage changes its
   * sign.
   */
  readonly shift: number;
  readonly flipped: number;
}

/** One prompt with several ids within a step. */
export interface SplitFigures {
  readonly prompts: number;
  readonly groups: number;
  readonly completions: number;
  /** Of these groups, those of one completion: their advantage is always 0. */
  readonly singletons: number;
  /** Mean |difference| between advantages over the group and over all completions of the prompt, and changed signs. */
  readonly shift: number;
  readonly flipped: number;
}

/** Age of the weights that sampled a completion, in steps before the newest weights of its training step. */
export interface AgeFigures {
  readonly completions: number;
  readonly mean: number;
  readonly largest: number;
  /** Completions that were sampled by several versions of the weights. */
  readonly mixed: number;
}

/** The trainer's ln π of sampled tokens compared with the sampler's, and the entropies that the trainer reports. */
export interface TrainerFigures {
  /**
   * Tokens that have both; of the ratios π/π_sampler the mean, the share outside [0.9, 1.1], and the mean k3 (π/π_s −
   * ln(π/π_s) − 1).
   */
  readonly tokens: number;
  readonly difference: number;
  readonly outside: number;
  readonly kl: number;
  /**
   * Tokens with an entropy: the mean over all, and the mean over tokens where completions diverge (the first token of a
   * step below the root).
   */
  readonly entropies: number;
  readonly entropy: number;
  readonly atBranches: number;
}

export interface Diagnostics {
  /** Null: the log has no values of the trainer. */
  readonly trainer: TrainerFigures | null;
  /** Null: shared tokens have no log-probabilities. */
  readonly noise: NoiseFigures | null;
  /** Null: the log does not hold both texts and exact tokens. */
  readonly retokenised: RetokenisedFigures | null;
  readonly merged: MergedFigures;
  /** Null: the log does not name versions of the weights. */
  readonly age: AgeFigures | null;
  /**
   * Shares of tokens in steps with Â = 0, counting each copy and counting each token once. With β > 0 the KL term is
   * their whole gradient, under GRPO and under λ-GRPO.
   */
  readonly klAlone: { readonly copies: number; readonly once: number };
  /** Mean over tokens of |λ|/k, (0, 1]; it rises as the policy becomes certain. */
  readonly sharing: number;
}
