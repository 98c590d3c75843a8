/**
 * Figures over many groups (PAPER.md §3-4), gathered one group at a time in constant memory: how much structure the
 * trees have, where the gradient's mass |λ|·|Â| lies, how often good completions are pushed down. Works on nodes,
 * never on tokens. "Mass" is |λ|·|Â(λ)| summed over the tokens of steps: what GRPO's sum gives them.
 */
import type { ZeroVariance } from '../objective/index.js';
import type { Diagnostics, SplitFigures } from './diagnostics/figures.js';

/** All groups, or those of a step, under a credit rule: mass is |s(λ) Σ bᵢ| over the tokens of steps. */
export interface CreditFigures {
  readonly rule: string;
  readonly mass: { readonly up: number; readonly down: number };
  /** By depth of the step's node, from 0. */
  readonly byDepth: readonly { readonly depth: number; readonly up: number; readonly down: number }[];
  /** Completions with aᵢ > 0, and those of them most of whose tokens are pushed down. */
  readonly good: { readonly completions: number; readonly pushedDown: number };
  /** Completions with aᵢ < 0, and those of them most of whose tokens are pushed up. */
  readonly bad: { readonly completions: number; readonly pushedUp: number };
  /** Mass of pushes against GRPO's: tokens that the rule pushes the other way than GRPO does. */
  readonly reversed: number;
}

/** What is known of all groups, or of those of one training step. */
export interface LogFigures {
  readonly groups: number;
  readonly completions: number;
  /** Σ|g|. */
  readonly tokens: number;
  /** Tokens that are left when shared ones count once. */
  readonly distinctTokens: number;
  readonly flatGroups: number;
  /** Groups whose rewards are all equal, and what their completions have in common. */
  readonly zeroVarianceGroups: number;
  readonly zeroVariance: { readonly [kind in ZeroVariance]: number };
  /** Groups of a single completion. */
  readonly singletonGroups: number;
  /** Means over completions. */
  readonly meanReward: number;
  readonly meanPathDepth: number;
  readonly meanIntermediateProportion: number;
  /** Share of all tokens in steps with |λ| > 1. */
  readonly sharedTokenShare: number;
  /** 1 − distinctTokens / tokens. */
  readonly tokensSaved: number;
  /** By |λ|, rising: steps (with tokens), tokens in them (each of the |λ| copies counted) and mass. */
  readonly bySize: readonly {
    readonly size: number;
    readonly steps: number;
    readonly tokens: number;
    readonly mass: number;
  }[];
  /** By depth of the step's node, from 0: mass pushed up and down. */
  readonly byDepth: readonly { readonly depth: number; readonly up: number; readonly down: number }[];
  /** Mass of steps with Â > 0 and with Â < 0. */
  readonly mass: { readonly up: number; readonly down: number };
  /** Mass under λ-GRPO: |Â| over tokens, once for each step. */
  readonly lambdaMass: { readonly up: number; readonly down: number };
  /** Completions with aᵢ > 0, and those of them most of whose tokens lie in steps with Â < 0. */
  readonly good: { readonly completions: number; readonly pushedDown: number };
  /** Completions with aᵢ < 0, and those of them most of whose tokens lie in steps with Â > 0. */
  readonly bad: { readonly completions: number; readonly pushedUp: number };
  /** What only the tree can tell: the sampler's noise, broken prefixes, merged groups, ages. */
  readonly diagnostics: Diagnostics;
  /** Under the credit rules that were asked for. */
  readonly credit: readonly CreditFigures[];
  /** Groups by where their token ids and their grouping come from. */
  readonly tokenSources: Readonly<Record<string, number>>;
  readonly groupSources: Readonly<Record<string, number>>;
}

/** One entry for each training step that a log names, rising. */
export type StepFigures = readonly { readonly step: number; readonly figures: LogFigures }[];

/** The figures of one of several runs or formats. */
export interface SourceFigures {
  readonly label: string;
  readonly format: string;
  readonly all: LogFigures;
  readonly steps: StepFigures;
}

export interface LogAnalysis {
  readonly all: LogFigures;
  /** Prompts that stand under several ids of a step. */
  readonly splitPrompts: SplitFigures;
  /** None where the groups are of several sources: steps of different runs have nothing to do with each other. */
  readonly steps: StepFigures;
  /** One entry for each source, in the order of their first groups; none where there is but one. */
  readonly sources: readonly SourceFigures[];
}
