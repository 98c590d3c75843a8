/**
 * Analyzes a group as its run trained on it: with the advantages of the training and the weights of its normalisation
 * instead of the paper's setting (std, equal weights for all tokens). Under sequence normalisation (GRPO) the members
 * of a step have weight 1/|g|, so Â(λ) is their weighted mean (PAPER.md §2); a masked completion has weight 0.
 */
import { type AdvantageOptions, groupAdvantages, type Normalisation } from '../objective/index.js';
import type { Group } from '../rollouts/group.js';

/** The part of a run's configuration that says how a group is judged. */
export interface RunObjective {
  readonly advantageScale: NonNullable<AdvantageOptions['scale']>;
  readonly normalisation: Normalisation;
  readonly lambdaExponent: number;
  /** Completions that were cut off at the maximum length have no loss. */
  readonly masksTruncated: boolean;
  readonly loss: string;
  /** Module of the custom credit rule; null: the method's own rule. */
  readonly credit: string | null;
}

/** Reads it from the section `objective` of a run's configuration. */
export function runObjective(objective: {
  readonly advantage_scale: RunObjective['advantageScale'];
  readonly normalisation: Normalisation;
  readonly lambda_exponent: number;
  readonly truncated: 'train' | 'mask';
  readonly loss: string;
  readonly credit: string | null;
}): RunObjective {
  return {
    advantageScale: objective.advantage_scale,
    normalisation: objective.normalisation,
    lambdaExponent: objective.lambda_exponent,
    masksTruncated: objective.truncated === 'mask',
    loss: objective.loss,
    credit: objective.credit,
  };
}

export interface AsTrained {
  /** aᵢ, [k] */
  readonly advantages: ArrayLike<number>;
  /** Weight of each completion in the steps that it goes through, [k], up to a common factor. */
  readonly weights: ArrayLike<number>;
}

/** @returns null if the log does not hold what was trained on: rewards scaled over the whole step, and no advantages */
export function asTrained(
  { completions }: Pick<Group, 'completions'>,
  objective: RunObjective,
): AsTrained | null {
  const recorded = completions.map(({ advantage }) => advantage);
  const { advantageScale: scale } = objective;
  const known = recorded.every((advantage) => advantage !== undefined);
  if (!known && scale === 'batch') return null;
  return {
    advantages: known
      ? Float64Array.from(recorded as number[])
      : groupAdvantages(
          completions.map(({ reward }) => reward),
          { scale },
        ),
    weights: Float64Array.from(completions, ({ tokens, mask, stop }) => {
      if (objective.masksTruncated && stop === 'length') return 0;
      const trained = mask ? mask.reduce((n, bit) => n + bit, 0) : tokens.length;
      if (trained === 0) return 0;
      return objective.normalisation === 'sequence' ? 1 / trained : 1;
    }),
  };
}

/** Weight of a step under an exponent. */
function counted(p: number): string {
  if (p === 1) return 'once';
  return p === 0 ? '|λ| times' : `|λ|^${Number((1 - p).toFixed(4))} times`;
}

/** A description of the setting, shown beside figures. */
export function describeTrained(objective: RunObjective): string {
  const { advantageScale, normalisation, lambdaExponent: p, masksTruncated, loss, credit } = objective;
  const scale = {
    std: "divided by the group's standard deviation",
    batch: "divided by the standard deviation of the step's rewards",
    none: 'not divided',
  }[advantageScale];
  const members =
    normalisation === 'sequence' ? 'have weight 1/|g| in a step' : 'have equal weights in a step';
  const parts = [
    `as this run trained: advantages ${scale} (advantage_scale ${advantageScale})`,
    `completions ${members} (normalisation ${normalisation})${masksTruncated ? ', truncated ones have weight 0' : ''}`,
    credit !== null
      ? `the run used the coefficients of ${credit} (credit), which these figures do not include`
      : loss === 'gspo'
        ? 'gspo has one ratio per sequence, so a step has no separate term'
        : `a step counts ${counted(p)} (lambda_exponent ${p})`,
  ];
  return parts.join('; ');
}
