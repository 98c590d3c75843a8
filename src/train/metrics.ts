/**
 * All metrics of a run: name, unit, meaning, and how they are computed from a step. One record is one line of
 * `metrics.jsonl`. Each name has one meaning; a figure that was not measured is missing, never 0.
 */

import { UserError } from '../errors.js';
import { stepAdvantages, stepMass, zeroVariance } from '../objective/index.js';
import { mean, moments, sum } from '../statistics/index.js';
import { intermediateProportion, isFlat, pathDepth } from '../tree/index.js';
import type { StepResult } from './learner.js';
import type { StepGroups } from './rollout.js';
import { type ScoredGroup, sampledEntropies, samplingDifference } from './scored-groups.js';

/** A metrics file that cannot be read, or a figure that cannot be written. */
export class MetricsError extends UserError {
  override name = 'MetricsError';
}

/** Metrics by name: [unit, meaning]. Means are over the completions of the step unless it says otherwise. */
export const METRICS = {
  loss: ['', '−J of the first update of the step; in the warm-up the mean −ln π of a token, nats'],
  reward_mean: ['reward', 'mean reward'],
  reward_std: ['reward', 'unbiased standard deviation of the rewards'],
  success_rate: ['share', 'completions that solve their problem (binary tree: that reach the target)'],
  completion_length: ['tokens', 'mean length of a completion'],
  stopped_share: [
    'share',
    'completions that ended before the length limit (by a stop token or after max_turns)',
  ],
  entropy: [
    'nats',
    'mean entropy of the sampling distributions of the distinct tree tokens; not with engine tinker',
  ],
  kl: ['nats', 'mean k3 estimate of KL(π ‖ π_ref) over tree tokens; only with kl_beta > 0'],
  grad_norm: ['', "largest global gradient norm of the step's updates, before clipping"],
  rescale: ['', 'factor by which rescale_to scaled the gradient; only with rescale_to'],
  clip_fraction: [
    'share',
    'clipped terms (token ratios; cispo: weights at the cap; gspo: sequence ratios; clip_bound included); 0 with one update per batch',
  ],
  sampling_logp_difference_mean: [
    'nats',
    'mean |Δ ln π| of trained tokens between the sampler and the trainer before the update; normally rounding error only; with sampling.precision int8 0.1 to 0.2',
  ],
  sampling_logp_difference_max: ['nats', 'largest |Δ ln π| of a trained token'],
  learning_rate: ['', 'step size of the optimizer'],
  path_depth: ['nodes', 'mean number of intermediate nodes on the path to a leaf (paper, section 3.2)'],
  intermediate_proportion: [
    'share',
    'mean share of a completion that lies in intermediate steps (section 3.2)',
  ],
  shared_mass: [
    'share',
    "share of GRPO's gradient mass |λ|·|Â| over tokens that lies in steps shared by several completions; only groups whose rewards differ",
  ],
  flat_share: ['share', 'groups whose tree has no intermediate node'],
  distinct_share: ['share', 'distinct completions of a group among all of them, mean over groups'],
  zero_variance_share: ['share', 'groups with equal rewards: they give no gradient'],
  all_right_share: ['share', 'groups with equal rewards whose completions all solve the problem'],
  all_wrong_share: ['share', 'groups with equal rewards of which no completion solves the problem'],
  skipped_groups: [
    'groups',
    'groups without a gradient that the update skipped (equal rewards, no KL term, no entropy bonus); their entropies are those of the sampler; only if there are any',
  ],
  dropped_groups: ['groups', 'groups replaced by dynamic sampling; only with resample_rounds'],
  failed_rewards: ['completions', 'completions whose reward failed; only with on_error zero or skip_group'],
  passed_over: ['problems', 'problems skipped because their prompts are too long; only if there are any'],
  tokens: ['tokens', 'tokens sampled since the start of training'],
  step_tokens: ['tokens', 'tokens in the completions of the step'],
  tree_tokens: ['tokens', 'distinct tree tokens: what an update computes'],
  tokens_saved: ['share', '1 − tree_tokens / step_tokens'],
  sent_tokens: ['tokens', 'tokens sent to the server per update, with prompts; only with engine tinker'],
  sent_tokens_saved: [
    'share',
    'share of tokens saved because equal completions are sent once: 1 − sent_tokens / all; only with engine tinker',
  ],
  decoded_tokens: [
    'tokens',
    'tokens that the decoder processed while sampling, with prompts; not with engine tinker',
  ],
  sample_seconds: ['s', 'time spent sampling'],
  update_seconds: ['s', 'time spent on rewards, trees and updates'],
  eval_accuracy: ['share', 'held-out problems solved by greedy decoding'],
  eval_reward: ['reward', 'mean reward of greedy decoding on held-out problems'],
  eval_problems: ['problems', 'held-out problems that were evaluated'],
} as const satisfies Record<string, readonly [unit: string, meaning: string]>;

export type MetricName = keyof typeof METRICS;

/** One line of `metrics.jsonl`. */
export type MetricsLine = {
  /** Supervised warm-up, or training. */
  readonly phase: 'warmup' | 'train';
  /** Steps of this phase so far; training's step 0 is the evaluation before the first step. */
  readonly step: number;
} & { readonly [name in MetricName]?: number };

/** Line of a training step: it has the metrics that every step measures. */
export type MetricsRecord = MetricsLine & { readonly [name in StepMetric]: number };
type StepMetric =
  | 'loss'
  | 'reward_mean'
  | 'reward_std'
  | 'success_rate'
  | 'completion_length'
  | 'stopped_share'
  | 'clip_fraction'
  | 'path_depth'
  | 'intermediate_proportion'
  | 'flat_share'
  | 'distinct_share'
  | 'zero_variance_share'
  | 'all_right_share'
  | 'all_wrong_share'
  | 'tokens'
  | 'step_tokens'
  | 'tree_tokens'
  | 'tokens_saved';

/**
 * The figures of one step. Rewards and lengths are over everything that was sampled, so dropped groups cannot improve
 * them; trees and losses are over the trained groups.
 * @param tokens sampled since the start, including this step
 * @param trained groups of the update, in order; default: all
 */
export function stepMetrics(
  step: number,
  { sampled, failures, passedOver }: Pick<StepGroups, 'sampled' | 'failures' | 'passedOver'>,
  scored: readonly ScoredGroup[],
  result: StepResult,
  tokens: number,
  trained: readonly number[] = [...scored.keys()],
): MetricsRecord {
  const completions = sampled.flatMap(({ group }) => group.completions);
  const kinds = sampled.map(({ group: { completions: all } }) =>
    zeroVariance(
      all.map(({ reward }) => reward),
      all.map(({ success }) => success),
    ),
  );
  const rewards = completions.map(({ reward }) => reward);
  const { sent } = result.first;
  const entropies = stepEntropies(scored, trained, result.first.entropies);
  const reward_moments = moments(rewards);
  const sampling = samplingDifference(
    trained.map((g) => scored[g]),
    result.first.logprobs,
  );
  const step_tokens = sum(scored.map(({ tree }) => tree.tokenCount));
  const tree_tokens = sum(scored.map(({ tree }) => tree.distinctTokenCount));
  const masses = scored.map(({ tree, advantages }) => stepMass(tree, stepAdvantages(tree, advantages)));
  const mass = sum(masses.map(({ total }) => total));
  return {
    phase: 'train',
    step,
    loss: result.first.loss,
    reward_mean: reward_moments.mean,
    reward_std: Math.sqrt(reward_moments.variance),
    success_rate: share(completions, ({ success }) => success === true),
    completion_length: mean(completions.map(({ tokens }) => tokens.length)),
    stopped_share: share(completions, ({ stop }) => stop === 'stop' || stop === 'turns'),
    ...(entropies
      ? {
          entropy: mean(
            entropies.flatMap((values, i) => Array.from(values).filter((_, t) => scored[i].mask?.[t] !== 0)),
          ),
        }
      : {}),
    ...(result.kl === null ? {} : { kl: result.kl }),
    ...(result.gradNorm === undefined ? {} : { grad_norm: result.gradNorm }),
    ...(result.rescale === null ? {} : { rescale: result.rescale }),
    clip_fraction: result.clipFraction,
    ...(sampling
      ? { sampling_logp_difference_mean: sampling.mean, sampling_logp_difference_max: sampling.max }
      : {}),
    path_depth: mean(scored.flatMap(({ tree }) => Array.from(pathDepth(tree)))),
    intermediate_proportion: mean(scored.flatMap(({ tree }) => Array.from(intermediateProportion(tree)))),
    ...(mass > 0 ? { shared_mass: sum(masses.map(({ shared }) => shared)) / mass } : {}),
    flat_share: mean(scored.map(({ tree }) => Number(isFlat(tree)))),
    distinct_share: mean(scored.map(({ tree }) => tree.leafCount / tree.groupSize)),
    zero_variance_share: share(kinds, (kind) => kind !== null),
    all_right_share: share(kinds, (kind) => kind === 'right'),
    all_wrong_share: share(kinds, (kind) => kind === 'wrong'),
    ...(trained.length < scored.length ? { skipped_groups: scored.length - trained.length } : {}),
    ...(sampled.length > scored.length ? { dropped_groups: sampled.length - scored.length } : {}),
    ...(failures.length > 0 ? { failed_rewards: failures.length } : {}),
    ...(passedOver > 0 ? { passed_over: passedOver } : {}),
    tokens,
    step_tokens,
    tree_tokens,
    tokens_saved: step_tokens > 0 ? 1 - tree_tokens / step_tokens : 0,
    ...(sent
      ? { sent_tokens: sent.tokens, sent_tokens_saved: sent.saved / Math.max(1, sent.tokens + sent.saved) }
      : {}),
  };
}

/**
 * Entropies of each group's tree tokens: from the update, or from the sampler if the update left the group out; null:
 * unknown.
 */
function stepEntropies(
  scored: readonly ScoredGroup[],
  trained: readonly number[],
  updated: readonly Float32Array[] | undefined,
): readonly Float32Array[] | null {
  if (!updated) return null;
  const places = new Map(trained.map((group, place) => [group, place]));
  return scored.map((entry, group) => updated[places.get(group) ?? -1] ?? sampledEntropies(entry));
}

/**
 * The line with the best evaluation: highest accuracy, then highest reward, then earliest; null if none was evaluated.
 * @param steps only these; default: all
 */
export function bestEvaluated(
  metrics: readonly MetricsLine[],
  steps?: readonly number[],
): MetricsLine | null {
  let best: MetricsLine | null = null;
  for (const line of metrics) {
    const { phase, step, eval_accuracy: accuracy, eval_reward: reward = 0 } = line;
    if (phase !== 'train' || accuracy === undefined || (steps && !steps.includes(step))) continue;
    const [a, r] = [best?.eval_accuracy ?? Number.NEGATIVE_INFINITY, best?.eval_reward ?? 0];
    if (accuracy > a || (accuracy === a && reward > r)) best = line;
  }
  return best;
}

function share<T>(values: readonly T[], holds: (value: T) => boolean): number {
  return mean(values.map((value) => Number(holds(value))));
}

/** A record as a line, with line end. @throws MetricsError for a figure that is not finite (JSON has none) */
export function formatMetrics(record: MetricsLine): string {
  for (const [name, value] of Object.entries(record)) {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new MetricsError(
        `metrics of step ${record.step}: ${name}: expected a finite number, got ${value}`,
      );
    }
  }
  return `${JSON.stringify(record)}\n`;
}

/**
 * The records of a metrics file's text. A last line that was truncated by a crash is dropped.
 * @param file name for errors
 * @throws MetricsError naming file and line
 */
export function parseMetrics(text: string, file: string): MetricsLine[] {
  const lines = text.split('\n');
  const records: MetricsLine[] = [];
  lines.forEach((line, i) => {
    if (line.trim() === '') return;
    const record = parseRecord(line);
    if (record) records.push(record);
    else if (i < lines.length - 1) {
      throw new MetricsError(
        `${file}:${i + 1}: expected an object with phase and step, got ${JSON.stringify(line.slice(0, 40))}`,
      );
    }
  });
  return records;
}

function parseRecord(line: string): MetricsLine | null {
  try {
    const record = JSON.parse(line) as Partial<MetricsLine> | null;
    const known = record?.phase === 'warmup' || record?.phase === 'train';
    return known && Number.isInteger(record?.step) ? (record as MetricsLine) : null;
  } catch {
    return null;
  }
}

/** name | unit | meaning, as a Markdown table. */
export function describeMetrics(): string {
  const rows = Object.entries(METRICS).map(
    ([name, [unit, meaning]]) => `| \`${name}\` | ${unit} | ${meaning} |`,
  );
  return ['| metric | unit | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}
