/**
 * Signs that only the trees of a run's groups give: the figures in words, when to look closer, what it means and what
 * to do.
 */
import type { RunDiagnosis } from '../../src/dashboard/api.js';
import { count, counted, figure } from '../components/format.js';

export interface TreeSign {
  readonly title: string;
  /** Null: the run's groups do not contain this figure. */
  readonly value: (run: RunDiagnosis) => string | null;
  /** Whether the figure deserves a closer look. */
  readonly look: (run: RunDiagnosis) => boolean;
  /** One sentence on what it means and what to do. */
  readonly meaning: string;
  /** What groups must contain for this figure. */
  readonly needs: string;
}

/** Thresholds beyond which a sign asks for a closer look. */
const NOISE = 0.01;
const RATIOS = 0.02;
const DRIFT = 0.01;
const RETOKENISED = 0.01;
const IDLE = 0.5;
const EQUAL = 0.5;
const AGE = 4;
const GROWTH = 0.1;
/** Minimum number of points for comparing the ends of a curve. */
const LEAST_STEPS = 6;

export const TREE_SIGNS: readonly TreeSign[] = [
  {
    title: 'Sampler’s noise',
    value: ({ figures: { noise } }) =>
      noise &&
      (noise.pairs === noise.equalPairs
        ? `0 nats: all values of ${counted(noise.tokens, 'shared token')} are equal`
        : `${figure(noise.deviation)} nats over ${counted(noise.tokens, 'shared token')}; ${percent(noise.outside, noise.pairs)} of ratios outside [0.9, 1.1]`),
    look: ({ figures: { noise } }) =>
      noise !== null && (noise.deviation > NOISE || noise.outside > RATIOS * noise.pairs),
    meaning:
      'Completions that share a step hold one log-probability each for the same token in the same context, so their spread is the sampler’s own numerical noise; above about 0.01, sample with batch-invariant kernels or more precision before blaming the trainer or changing the clip range.',
    needs: 'log-probabilities of sampled tokens',
  },
  {
    title: 'Trainer against sampler',
    value: ({ figures: { trainer } }) =>
      trainer && trainer.tokens > 0
        ? `${figure(trainer.difference)} nats over ${counted(trainer.tokens, 'token')}; ${percent(trainer.outside, 1)} of ratios outside [0.9, 1.1]`
        : null,
    look: ({ figures: { trainer } }) =>
      trainer !== null && trainer.tokens > 0 && (trainer.difference > DRIFT || trainer.outside > RATIOS),
    meaning:
      'The same tokens under the trainer’s probabilities and the sampler’s: a difference above the sampler’s own noise comes from other weights, another tokenizer or another precision; correct it with importance weights, or find its cause.',
    needs: 'log-probabilities of both',
  },
  {
    title: 'Same text, other tokens',
    value: ({ figures: { retokenised } }) =>
      retokenised &&
      `${retokenised.branches > 0 ? `${count(retokenised.retokenised)} of ` : ''}${counted(retokenised.branches, 'branch', 'branches')}${
        retokenised.equalTexts > 0
          ? `; ${counted(retokenised.equalTexts, 'completion')} with the text of another`
          : ''
      }`,
    look: ({ figures: { retokenised } }) =>
      retokenised !== null &&
      (retokenised.equalTexts > 0 || retokenised.retokenised > RETOKENISED * retokenised.branches),
    meaning:
      'Branches with the same text as a sibling but different tokens: turns that were tokenised again break prefixes and flatten the tree; pass the sampled token ids from turn to turn instead of the text.',
    needs: 'exact tokens with their texts',
  },
  {
    title: 'Ids with several prompts',
    value: ({ figures: { merged } }) =>
      merged.ids === 0
        ? 'none'
        : `${counted(merged.ids, 'id')} with ${counted(merged.prompts, 'prompt')}; ${falseAdvantages(merged)}`,
    look: ({ figures: { merged } }) => merged.ids > 0,
    meaning:
      'A trainer that groups by id compares completions of different prompts and gives them false advantages; give every prompt of a step its own id. The figures here split these ids by prompt.',
    needs: '',
  },
  {
    title: 'Prompts with several ids, groups of one',
    value: ({ figures: { splitPrompts: split, singletons } }) => {
      const alone = singletons > 0 ? counted(singletons, 'group of one', 'groups of one') : '';
      if (split.prompts === 0) return alone || 'none';
      return `${counted(split.prompts, 'prompt')} in ${counted(split.groups, 'group')}; ${falseAdvantages(split)}${alone && `; ${alone}`}`;
    },
    look: ({ figures: { splitPrompts, singletons } }) => splitPrompts.prompts > 0 || singletons > 0,
    meaning:
      'If one prompt of a step has several groups, its completions are compared with only a part of the others, and a completion alone in its group always has advantage 0; group by the prompt, and find out why completions are missing.',
    needs: '',
  },
  {
    title: 'Groups without variance',
    value: ({ figures: { groups, zeroVariance } }) => {
      const { right, wrong, other } = zeroVariance;
      if (groups === 0) return null;
      if (right + wrong + other === 0) return `none of ${counted(groups, 'group')}`;
      return `${percent(right + wrong + other, groups)} of ${counted(groups, 'group')}: ${percent(right, groups)} all right, ${percent(wrong, groups)} all wrong, ${percent(other, groups)} other`;
    },
    look: ({ figures: { groups, zeroVariance } }) =>
      zeroVariance.right + zeroVariance.wrong + zeroVariance.other > EQUAL * groups,
    meaning:
      'They teach nothing: if all are right, use harder problems; if all are wrong, use easier ones or reward partial progress; if neither, check whether the reward distinguishes answers at all.',
    needs: 'groups',
  },
  {
    title: 'Tokens that only the KL term moves',
    value: ({ beta, figures: { klAlone, groups } }) => {
      if (groups === 0) return null;
      const shares = `${percent(klAlone.copies, 1)}; counting each step once ${percent(klAlone.once, 1)}`;
      if (beta === null) return `${shares} (with β > 0)`;
      return beta > 0 ? `${shares} (β ${figure(beta)})` : `${shares}, and β is 0: nothing moves them`;
    },
    look: ({ beta, figures: { klAlone } }) => beta !== 0 && klAlone.copies > IDLE,
    meaning:
      'The only gradient of steps with advantage 0 is the KL term, which pulls back to the reference policy; if most tokens are in such steps, the run unlearns more than it learns: lower β, or choose problems whose rewards differ.',
    needs: 'groups',
  },
  {
    title: 'Age of the weights',
    value: ({ figures: { age } }) =>
      age &&
      `mean ${figure(age.mean)}, at most ${count(age.largest)}; ${percent(age.mixed, age.completions)} of completions sampled by several versions`,
    look: ({ figures: { age } }) => age !== null && age.largest > AGE,
    meaning:
      'Number of versions of the weights between a completion and the newest one of its step: completions of old or of several versions are off-policy; limit the staleness, or correct it with importance weights.',
    needs: 'versions of weights',
  },
  {
    title: 'Sharing |λ|/k, over the steps',
    value: (run) => {
      const { sharing, groups } = run.figures;
      if (groups === 0) return null;
      const [first, last] = ends(run.figures.steps.sharing);
      const [shallow, deep] = ends(run.figures.steps.pathDepth);
      return first === undefined
        ? `on average ${figure(sharing)} of a group share a token`
        : `${figure(first)} → ${figure(last)} from the first third to the last; path depth ${figure(shallow)} → ${figure(deep)}`;
    },
    look: ({ figures: { steps } }) => {
      const [first, last] = ends(steps.sharing);
      return first !== undefined && last > first + GROWTH;
    },
    meaning:
      'The share of a group that has a token in common, 1 if all completions are equal: if it rises together with the path depth, the policy becomes certain; if the reward does not rise too, the entropy is collapsing: raise the temperature or lower the learning rate.',
    needs: 'groups',
  },
];

/** Means of the first and the last third of the steps; empty for few points. */
function ends(values: readonly number[]): readonly number[] {
  if (values.length < LEAST_STEPS) return [];
  const third = Math.floor(values.length / 3);
  return [values.slice(0, third), values.slice(-third)].map(
    (part) => part.reduce((sum, value) => sum + value, 0) / third,
  );
}

function falseAdvantages({
  shift,
  flipped,
  completions,
}: {
  readonly shift: number;
  readonly flipped: number;
  readonly completions: number;
}): string {
  return `advantages off by ${figure(shift)}, ${count(flipped)} of ${count(completions)} with the wrong sign`;
}

function percent(part: number, whole: number): string {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)}%` : '–';
}
