/**
 * Figures that only the trees of groups can show about a run, without a model or a trainer; docs/analyze.md has the
 * formulas.
 */

/**
 * Numerical noise of the sampler: k members of a step hold k log-probabilities of one token in one context, which differ by what
 * batching, kernels and precision make of the same weights. A sampler that computes a shared prefix once shows none.
 */
export interface NoiseFigures {
  /** Tokens of the tree with at least two values, and values. */
  readonly tokens: number;
  readonly values: number;
  /** Standard deviation of ln π within a token, over all of them. */
  readonly deviation: number;
  /** Largest difference of two values of a token. */
  readonly largest: number;
  /** Pairs of neighbours among the members; those of equal values, and those whose ratio lies outside [0.9, 1.1]. */
  readonly pairs: number;
  readonly equalPairs: number;
  readonly outside: number;
}

/** Same text, other tokens: turns that were tokenised again break prefixes, and the tree is flatter than the text. */
export interface RetokenisedFigures {
  /** Branches whose text could be compared, and those whose text goes on as a sibling's does, past both first tokens. */
  readonly branches: number;
  readonly retokenised: number;
  /** Tokens (of each copy) that the text shares with a sibling and the tree does not. */
  readonly tokens: number;
  /** Completions with the text of another one and other tokens. */
  readonly equalTexts: number;
}

/** Groups of an id with several prompts, taken apart (`splitMerged`). */
export interface MergedFigures {
  /** Ids with several prompts, their prompts and completions. */
  readonly ids: number;
  readonly prompts: number;
  readonly completions: number;
  /** Mean |difference| of the advantages over the id to those over the prompt, and completions whose advantage has another sign. */
  readonly shift: number;
  readonly flipped: number;
}

/** One prompt under several ids within a step. */
export interface SplitFigures {
  readonly prompts: number;
  readonly groups: number;
  readonly completions: number;
  /** Of the groups, those of one completion: their advantage is 0 whatever they did. */
  readonly singletons: number;
  /** Mean |difference| of the advantages over the group to those over all completions of the prompt, and flipped signs. */
  readonly shift: number;
  readonly flipped: number;
}

/** Steps since the weights that sampled a completion, counted from the newest of its training step. */
export interface AgeFigures {
  readonly completions: number;
  readonly mean: number;
  readonly largest: number;
  /** Completions that several versions of the weights wrote. */
  readonly mixed: number;
}

/** The trainer's ln π of sampled tokens against the sampler's, and the entropies it reports. */
export interface TrainerFigures {
  /** Tokens with both, mean and share of ratios π/π_sampler outside [0.9, 1.1], and mean k3 (π/π_s − ln(π/π_s) − 1). */
  readonly tokens: number;
  readonly difference: number;
  readonly outside: number;
  readonly kl: number;
  /** Tokens with an entropy: its mean, and its mean where completions part (the first token of a step below the root). */
  readonly entropies: number;
  readonly entropy: number;
  readonly atBranches: number;
}

export interface Diagnostics {
  /** Null: the log has no values of the trainer. */
  readonly trainer: TrainerFigures | null;
  /** Null: no log-probabilities of shared tokens. */
  readonly noise: NoiseFigures | null;
  /** Null: no texts beside exact tokens. */
  readonly retokenised: RetokenisedFigures | null;
  readonly merged: MergedFigures;
  /** Null: the log names no versions of weights. */
  readonly age: AgeFigures | null;
  /**
   * Shares of tokens in steps with Â = 0, each copy counted and each once: with β > 0 the KL term is their whole gradient, under
   * GRPO and under λ-GRPO.
   */
  readonly klAlone: { readonly copies: number; readonly once: number };
  /** Mean over tokens of |λ|/k, (0, 1]: it rises as the policy becomes certain. */
  readonly sharing: number;
}
