/**
 * Figures over many groups (PAPER.md §3-4), gathered one group at a time in constant memory: how much structure the
 * trees have, where the gradient's mass |λ|·|Â| lies, how often good completions are pushed down. Computed from nodes,
 * not from tokens. "Mass" is |λ|·|Â(λ)| summed over the tokens of steps: their weight in GRPO's sum.
 */
import type { ZeroVariance } from '../objective/index.js';
import type { Diagnostics, SplitFigures } from './diagnostics/figures.js';

/** Figures of all groups, or of one step, under a credit rule; mass is |s(λ) Σ bᵢ| over the tokens of steps. */
export interface CreditFigures {
  readonly rule: string;
  readonly mass: { readonly up: number; readonly down: number };
  /** By depth of the step's node, from 0. */
  readonly byDepth: readonly { readonly depth: number; readonly up: number; readonly down: number }[];
  /** Completions with aᵢ > 0; of these, those with most of their tokens pushed down. */
  readonly good: { readonly completions: number; readonly pushedDown: number };
  /** Completions with aᵢ < 0; of these, those with most of their tokens pushed up. */
  readonly bad: { readonly completions: number; readonly pushedUp: number };
  /** Mass on tokens that the rule pushes in the opposite direction to GRPO. */
  readonly reversed: number;
}

/** Figures of all groups, or of one training step. */
export interface LogFigures {
  readonly groups: number;
  readonly completions: number;
  /** Σ|g|. */
  readonly tokens: number;
  /** Number of tokens if shared ones count once. */
  readonly distinctTokens: number;
  readonly flatGroups: number;
  /** Groups whose rewards are all equal, by what their completions have in common. */
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
  /** By |λ|, ascending: steps (with tokens), tokens in them (counting each of the |λ| copies) and mass. */
  readonly bySize: readonly {
    readonly size: number;
    readonly steps: number;
    readonly tokens: number;
    readonly mass: number;
  }[];
  /** By depth of the step's node, from 0: mass pushed up and down. */
  readonly byDepth: readonly { readonly depth: number; readonly up: number; readonly down: number }[];
  /** Mass of steps with Â > 0 and of steps with Â < 0. */
  readonly mass: { readonly up: number; readonly down: number };
  /** Mass under λ-GRPO: |Â| over tokens, counting each step once. */
  readonly lambdaMass: { readonly up: number; readonly down: number };
  /** Completions with aᵢ > 0; of these, those with most of their tokens in steps with Â < 0. */
  readonly good: { readonly completions: number; readonly pushedDown: number };
  /** Completions with aᵢ < 0; of these, those with most of their tokens in steps with Â > 0. */
  readonly bad: { readonly completions: number; readonly pushedUp: number };
  /** Figures that only the tree gives: the sampler's noise, broken prefixes, merged groups, ages. */
  readonly diagnostics: Diagnostics;
  /** Figures under the requested credit rules. */
  readonly credit: readonly CreditFigures[];
  /** Number of groups by the origin of their token ids and of their grouping. */
  readonly tokenSources: Readonly<Record<string, number>>;
  readonly groupSources: Readonly<Record<string, number>>;
}

/** One entry for each training step that a log names, ascending. */
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
  /** Prompts that have several ids in one step. */
  readonly splitPrompts: SplitFigures;
  /** Empty if the groups have several sources: steps of different runs are unrelated. */
  readonly steps: StepFigures;
  /** One entry per source, in the order of their first groups; empty if there is only one source. */
  readonly sources: readonly SourceFigures[];
}
